//! Words that ask and join, and say nothing of what a text is about: 'what', 'the', 什么, 的.
//!
//! Documents ask few questions, so that 'what' is rare in them; by its rarity alone it would count as a name does.

const ENGLISH: &[&str] = &[
    "a", "about", "an", "and", "any", "are", "as", "at", "be", "been", "being", "but", "by", "can", "could", "did",
    "do", "does", "doing", "done", "for", "from", "get", "give", "had", "has", "have", "having", "he", "her", "here",
    "him", "his", "how", "i", "i'd", "i'll", "i'm", "i've", "if", "in", "into", "is", "it", "its", "it's", "kind",
    "let", "many", "may", "me", "might", "much", "must", "my", "of", "on", "or", "our", "please", "shall", "she",
    "should", "so", "some", "tell", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this",
    "those", "to", "us", "was", "we", "were", "what", "what's", "whats", "when", "where", "where's", "which", "who",
    "who's", "whom", "whose", "why", "will", "with", "would", "you", "your",
];

const CHINESE: &[&str] = &[
    "一些",
    "一个",
    "一种",
    "个",
    "中",
    "为",
    "为什么",
    "为何",
    "为了",
    "也",
    "了",
    "些",
    "什么",
    "他",
    "他们",
    "以",
    "会",
    "何",
    "何时",
    "何种",
    "你",
    "你们",
    "使",
    "其",
    "几",
    "几个",
    "到",
    "到底",
    "办",
    "吗",
    "吧",
    "呢",
    "和",
    "哪",
    "哪一",
    "哪个",
    "哪些",
    "哪儿",
    "哪位",
    "哪年",
    "哪种",
    "哪里",
    "因为",
    "在",
    "多",
    "多久",
    "多大",
    "多少",
    "多长",
    "她",
    "如何",
    "它",
    "它们",
    "对",
    "就",
    "并",
    "应该",
    "得",
    "怎",
    "怎么",
    "怎么办",
    "怎么样",
    "怎样",
    "您",
    "想",
    "我",
    "我们",
    "所",
    "所以",
    "才",
    "把",
    "是",
    "是什么",
    "是否",
    "是谁",
    "曾",
    "有",
    "有什么",
    "有没有",
    "有哪些",
    "由",
    "的",
    "种",
    "而",
    "能",
    "能否",
    "若",
    "被",
    "要",
    "让",
    "该",
    "请",
    "请问",
    "谁",
    "谁的",
    "还",
    "这",
    "这个",
    "这些",
    "那",
    "那个",
    "那些",
    "都",
    "里",
    "可以",
    "与",
    "从",
    "于",
    "及",
    "或",
    "之",
    "上",
    "下",
    "时",
    "时候",
    "什么时候",
    "什么样",
    "某",
    "向",
    "给",
    "将",
    "则",
    "但",
    "很",
    "最",
    "更",
];

/// Whether a word, in lower case, is one of these.
pub(super) fn is_function_word(word: &[char]) -> bool {
    const LONGEST: usize = 7;
    let all = if word.first().is_some_and(char::is_ascii) { ENGLISH } else { CHINESE };
    word.len() <= LONGEST && all.iter().any(|known| known.chars().eq(word.iter().copied()))
}

/// Words that agree, refuse and thank, and pronouns. In a question they count as others do ("no refunds"), but one that is made
/// of them and of function words alone asks for nothing.
const BARE: &str = "\
    yes|yeah|yep|yup|no|nope|nah|not|ok|okay|sure|alright|thanks|thank|mine|yours|ours|theirs|hers|myself|yourself|\
    himself|herself|itself|ourselves|themselves|one|ones|something|anything|nothing|everything|someone|anyone|\
    everyone|somebody|anybody|nobody|else|\
    不|不了|不用|不要|不是|不对|不行|不好|没|没有|没错|没事|没关系|否|好|好的|好吧|好啊|好呀|好了|行|行吧|嗯|嗯嗯|\
    哦|噢|啊|呀|嘛|啦|是的|是啊|对的|对啊|对对|当然|谢谢|多谢|感谢|咱|咱们|俺|自己|大家|别人|人家";

/// Whether a word, in lower case, is one of these.
pub(super) fn is_bare_word(word: &[char]) -> bool {
    const LONGEST: usize = 10;
    word.len() <= LONGEST && BARE.split('|').any(|known| known.chars().eq(word.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_for_nothing_by_itself_is_known() {
        let is_bare = |word: &str| is_bare_word(&word.chars().collect::<Vec<char>>());
        assert!(["yes", "no", "anything", "themselves", "好的", "没关系", "不"].into_iter().all(is_bare));
        assert!(!["", "notes", "refund", "what", "退货", "不锈钢"].into_iter().any(is_bare));
    }
}

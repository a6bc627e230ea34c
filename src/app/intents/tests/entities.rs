//! What is told of entities: who reads one that isn't there, and what is said for two values.

use super::*;

#[test]
fn templates_read_entities_that_there_are() {
    faults_after(
        r#"
[intents.size]
examples.en = ["a [big](colour) one", "small", "medium", "tiny", "huge"]
reply.en = "{{ entities.siez }} {{ entities.colour }} {{ entities.size }} {{ entities['siez'] }}"
reply.zh = "{% if entities.kolour %}{{ entities.kolour }}{% endif %}。"
[entities.size]
values = ["large"]
"#,
        r#"
line 12, column 12: intent 'size': reply.en reads entities.siez, and there is no such entity: did you mean 'size'?
line 13, column 12: intent 'size': reply.zh reads entities.kolour, and there is no such entity: did you mean 'colour'?
"#,
    );
    faults_after(
        "[intents.a]\nreply.zh = \"{{ entities.order }}\"\n",
        r#"
line 11, column 12: intent 'a': reply.zh reads entities.order, and there is no such entity: write a table [entities.order]
"#,
    );
}

#[test]
fn a_mark_that_is_called_almost_as_a_table_is_warned_of_once() {
    warnings_after(
        r#"
[intents.order]
examples.en = ["a [giant](sise) one", "a [tiny](sise) one", "to [Rome](city)", "a [big](size) one", "no mark"]
examples.zh = ["要[大](size)的", "要[小](sizes)的", "要[特大](sise)的", "去[罗马](city)", "没有标记"]
reply.en = "Done."
[entities.size]
values = ["large"]
"#,
        r#"
line 11, column 16: intent 'order': the entity 'sise' is known from marks alone: did you mean 'size'? Where you didn't, write a table [entities.sise], too
line 12, column 31: intent 'order': the entity 'sizes' is known from marks alone: did you mean 'size'? Where you didn't, write a table [entities.sizes], too
"#,
    );
}

#[test]
fn a_text_is_said_for_one_value() {
    faults_after(
        r#"
[intents.order]
slots.crust = { choices.thin = ["薄"], choices.thick = ["厚", " Thin "], ask.en = "Which crust?" }
reply.en = "Done."
[entities.size]
values.small = ["little", "小", "little"]
values.large = ["Little", "大", "large"]
values.huge = ["ｌａｒｇｅ", "small"]
[entities.kettle]
values = ["水壶", "水壺", "pot"]
[entities.other]
values = ["pot", "little"]
"#,
        r#"
line 11, column 61: intent 'order': 'Thin' is said for two values, 'thin' and 'thick': a text can mean only one, so take it out of one of them
line 15, column 17: 'Little' is said for two values, 'small' and 'large': a text can mean only one, so take it out of one of them
line 16, column 16: 'ｌａｒｇｅ' is said for two values, 'large' and 'huge': a text can mean only one, so take it out of one of them
line 16, column 25: 'small' is said for two values, 'small' and 'huge': a text can mean only one, so take it out of one of them
line 18, column 17: '水壺' is said for two values, '水壶' and '水壺': a text can mean only one, so take it out of one of them
"#,
    );
}

//! `eval --dialogues`: the example's dialogues hold, and where a bot parts from one that is told. No broker.

use serde_json::{Value, json};

use super::{folder::Folder, program::Program};

const EXAMPLE: &str = "config/examples/customer-service";

fn example(file: &str) -> String {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLE).join(file).to_str().unwrap().to_owned()
}

fn program() -> Program {
    // Its language model isn't asked, and so needs no settings.
    Program::new().with("CHATBOT_INTENTS_PATH", &example("intents.toml"))
}

#[test]
fn the_example_does_what_its_dialogues_say_in_both_languages() {
    let (english, chinese) = (example("dialogues.en.md"), example("dialogues.zh.md"));
    let held = program().run(&["eval", "--dialogues", &english, &chinese]);
    assert_eq!(held.ok().matches(": 10 of 10 dialogues as written").count(), 2, "{held:?}");
}

/// "Cheaper?" is of what was asked for before, also where that was said in other words than the table's.
#[test]
fn the_shops_adviser_knows_what_follow_ups_are_of() {
    let example = |file: &str| example(&format!("../recommendation/{file}"));
    let (english, chinese) = (example("dialogues.en.md"), example("dialogues.zh.md"));
    let program = Program::new().with("CHATBOT_INTENTS_PATH", &example("intents.toml"));
    let held = program.run(&["eval", "--dialogues", &english, &chinese]);
    assert_eq!(held.ok().matches(": 2 of 2 dialogues as written").count(), 2, "{held:?}");
}

#[test]
fn the_dialogues_of_the_docs_hold() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONVERSATIONS.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let blocks: Vec<&str> = docs.split("```markdown\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 2);
    let folder = Folder::new();
    let file = folder.file("docs.md", &blocks.join("\n"));
    program().run(&["eval", "--dialogues", &file]).ok();
}

#[test]
fn where_a_bot_parts_from_a_dialogue_is_told() {
    let folder = Folder::new();
    let file = folder
        .file("d.md", "## One\n> hello\ngreeting\n> cancel my order\nask reason\n> x\nperson\n\n## 二\n> 你好\n您好\n");
    let parted = program().run(&["eval", "--dialogues", &file]);
    assert_eq!(parted.code, Some(1), "{parted:?}");
    let expected = "1 of 2 dialogues as written\n\nOne\n  line 4: > cancel my order\n  - ask reason\n  + cancel_order\n  + ask order\n  + Which order is it?";
    assert!(parted.out.contains(expected), "{parted:?}");
    let parted = program().run(&["eval", "--format", "json", "--dialogues", &file]);
    let found: Value = serde_json::from_str(&parted.out).unwrap();
    assert_eq!((parted.code, &found[0]["dialogues"]), (Some(1), &json!(2)));
    let one = &found[0]["parted"][0];
    assert_eq!(
        (&one["line"], &one["expected"], &one["did"]["ask"]),
        (&json!(4), &json!(["ask reason"]), &json!("order"))
    );
    let broken = folder.file("broken.md", "## One\nhello\n");
    program().run(&["eval", "--dialogues", &broken]).failed(65, &["broken.md: line 2: nobody has said anything yet"]);
    let idle = folder.file("idle.md", "## One\n> hello\n");
    program()
        .run(&["eval", "--dialogues", &idle])
        .failed(65, &["idle.md: line 1: nothing is expected of the bot here"]);
    let slips = folder.file("slips.md", "## One\n> hello\ngreting\n\n## Two\n> cancel my order\nask ordr\n");
    let parted = program().run(&["eval", "--dialogues", &slips]);
    for hint in ["no intent is called greting, the nearest is greeting", "no slot is called ordr, the nearest is order"]
    {
        assert!(parted.code == Some(1) && parted.out.contains(hint), "{parted:?}");
    }
    program().run(&["eval", "--dialogues", &folder.path("none.md")]).failed(65, &["none.md"]);
}

/// `try` is one turn where one text is asked, and tells what is asked.
#[test]
fn a_question_is_shown_with_what_is_asked() {
    // The example as it is, but for the language model: there is none here.
    let text = std::fs::read_to_string(example("intents.toml")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("llm."));
    let without: String = lines.map(|line| line.replace("\"llm\", ", "") + "\n").collect();
    let folder = Folder::new();
    for named in std::fs::read_dir(example("")).unwrap().map(|entry| entry.unwrap().file_name()) {
        let named = named.to_str().unwrap();
        if named != "intents.toml" {
            std::os::unix::fs::symlink(example(named), folder.path(named)).unwrap();
        }
    }
    let bot = folder.file("intents.toml", &without);
    let program = Program::new().with("CHATBOT_INTENTS_PATH", &bot);
    let tried = program.run(&["try", "我要取消订单"]);
    assert!(tried.ok().contains("请问是哪一笔订单？") && tried.out.contains(" · asks order"), "{tried:?}");
    let tried = program.run(&["try", "--format", "json", "cancel my order"]);
    let reply: Value = serde_json::from_str(tried.ok()).unwrap();
    assert_eq!(reply["state"], json!({"status": "asking", "intent": "cancel_order", "slot": "order"}));
    let tried = program.run(&["try", "转人工"]);
    assert_eq!(tried.code, Some(0));
    assert!(tried.err.contains("a person has the conversation") && !tried.err.contains("/release"), "{tried:?}");
    // Of a pipe each line begins anew, and that is told before the first answer.
    for lines in ["cancel my order\nFL20251107\n", "我要取消订单\nFL20251107\n"] {
        let tried = program.fed(&["try"], lines.as_bytes());
        assert_eq!(tried.code, Some(0), "{tried:?}");
        assert!(tried.err.starts_with("Each line is a question of its own"), "{tried:?}");
        assert_eq!(tried.out.matches(" · asks ").count(), 1, "{tried:?}");
        let tried = program.fed(&["try", "--format", "json"], lines.as_bytes());
        assert_eq!(tried.json_lines().len(), 2);
    }
}

/// Books at a dentist's, and answers from a FAQ in the fallback.
const DENTIST: &str = r#"
fallback = "question"

[conversation]
yes = "affirm"
no = "deny"

[knowledge.help]
paths = ["faq.csv"]

[intents.affirm]
examples.en = ["yes", "yes please", "that is right", "correct", "sure"]
examples.zh = ["是的", "对", "好的", "可以", "没错"]
reply.en = "Good."
reply.zh = "好。"

[intents.deny]
examples.en = ["no", "no thanks", "that is wrong", "rather not", "nope"]
examples.zh = ["不", "不要", "不对", "不用了", "不是"]
reply.en = "All right."
reply.zh = "好的。"

[intents.book]
examples.en = ["I want to book an appointment", "book an appointment", "make an appointment please", "I need an appointment"]
examples.zh = ["我要预约", "预约看牙", "帮我约个时间", "我想预约"]
slots.day = { choices.monday = ["Monday", "周一"], choices.tuesday = ["Tuesday", "周二"], ask.en = "Which day?", ask.zh = "哪一天？", again.en = "Monday or Tuesday?", again.zh = "周一还是周二？" }
slots.note = { text = true, ask.en = "Anything the doctor should know?", ask.zh = "有什么要告诉医生的吗？" }
confirm.en = "Shall I book {{ slots.day }}, {{ slots.note }}?"
confirm.zh = "确认预约{{ slots.day }}，{{ slots.note }}吗？"
reply.en = "Booked."
reply.zh = "已预约。"

[intents.question]
handler = ["search", "template"]
search.knowledge = "help"
reply.en = "I don't know."
reply.zh = "我不知道。"
"#;
const FAQ: &str = r#"question,answer,questions
How much is a dental cleaning?,A dental cleaning is 80 dollars.,
Is there parking?,"You can park behind the house, free of charge.",is it possible to park there
洗牙多少钱？,洗牙每次三百元。,
可以停车吗？,停车场在楼后，免费。,有停车场吗
"#;
const IN_BETWEEN: &str = "\
## Prices and parking
> book an appointment
ask day
> how much is a dental cleaning
question
ask day
A dental cleaning is 80 dollars.
Which day?
> is it possible to park there?
question
ask day
> hmm
ask day
Monday or Tuesday?
> Tuesday
ask note
> is it possible to park there?
question
ask note
> parking is hard for me
confirm
Shall I book tuesday, parking is hard for me?
> where can I park my car
question
confirm
> yes
Booked.

## 价格和停车
> 我要预约
ask day
> 洗牙多少钱
question
ask day
洗牙每次三百元。
哪一天？
> 周二
ask note
> 有停车场吗
question
ask note
> 停车不方便
confirm
> 哪里可以停车
question
confirm
> 是的
已预约。
";

#[test]
fn what_the_fallbacks_documents_answer_is_answered_while_an_intent_asks() {
    let folder = Folder::new();
    folder.file("faq.csv", FAQ);
    let (bot, dialogues) = (folder.file("bot.toml", DENTIST), folder.file("between.md", IN_BETWEEN));
    // So few intents are surely meant by too much.
    let program = Program::new().with("CHATBOT_INTENTS_PATH", &bot).with("CHATBOT_MODEL_THRESHOLD", "0.8");
    let held = program.run(&["eval", "--dialogues", &dialogues]);
    assert!(held.ok().contains("2 of 2 dialogues as written"), "{held:?}");
}

/// A Rasa project's form is asked as Rasa asked it, of the file that `import` makes.
#[test]
fn an_imported_form_asks() {
    let folder = Folder::new();
    let nlu = r#"nlu:
- intent: greet
  examples: |
    - hello
    - good morning
    - hi there bot
    - hey
    - 你好
    - 早上好
    - 您好啊
    - 嗨
- intent: book
  examples: |
    - book a table
    - I want to reserve a table
    - a table for [thai](cuisine) food please
    - can I get a table
    - could you book us a table for [italian](cuisine) food
    - 订个位子
    - 我想订位
    - 帮我订一张桌子
    - 预订餐厅
    - 我要订[泰国菜]{"entity": "cuisine", "value": "thai"}的位子
"#;
    let domain = "entities:\n- cuisine\n- number\nslots:\n  cuisine:\n    type: text\n    mappings:\n    - type: from_entity\n      \
                  entity: cuisine\n  num_people:\n    type: float\n    mappings:\n    - type: from_entity\n      entity: number\n  \
                  notes:\n    type: text\n    mappings:\n    - type: from_text\nforms:\n  table_form:\n    required_slots:\n    \
                  - cuisine\n    - num_people\n    - notes\nresponses:\n  utter_greet:\n  - text: Welcome!\n  \
                  utter_ask_table_form_cuisine:\n  - text: Which cuisine?\n  utter_ask_num_people:\n  - text: How many people?\n  \
                  utter_ask_notes:\n  - text: Anything else about {cuisine}?\n  utter_booked:\n  - text: 'Booked: {cuisine}, \
                  {num_people}, {notes}.'\n  utter_default:\n  - text: Pardon?\nactions:\n- validate_table_form\n";
    let rules = "rules:\n- rule: start\n  steps:\n  - intent: book\n  - action: table_form\n  - active_loop: table_form\n- rule: \
                 submit\n  condition:\n  - active_loop: table_form\n  steps:\n  - action: table_form\n  - active_loop: null\n  \
                 - action: utter_booked\n";
    let files =
        [("nlu.yml", nlu), ("domain.yml", domain), ("rules.yml", rules)].map(|(name, text)| folder.file(name, text));
    let bot = folder.path("intents.toml");
    let made = Program::new().run(&["import", &files[0], &files[1], &files[2], "--out", &bot]);
    assert_eq!(made.code, Some(0), "{made:?}");
    for told in ["domain.yml:38", "(validate_…)", "'number'"] {
        assert!(made.err.contains(told), "{told} isn't in {made:?}");
    }
    let dialogues = "## A form\n> book a table\nWhich cuisine?\nask cuisine\n> italian\nask num_people\n> hello\ngreet\nHow many \
                     people?\n> for four people\nAnything else about italian?\nask notes\n> by the window please\nbook\nBooked: \
                     italian, 4, by the window please.\n\n## 表格\n> 我要订泰国菜的位子\nask num_people\n> 三个人\nask notes\n> \
                     靠窗的座位\nbook\nBooked: thai, 3, 靠窗的座位.\n";
    let program = Program::new().with("CHATBOT_INTENTS_PATH", &bot);
    program.run(&["eval", "--dialogues", &folder.file("d.md", dialogues)]).ok();
}

//! What is told of entities: what is wrong with one, who reads one that isn't there, and what is said for two values.

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

#[test]
fn faults_of_entities() {
    faults_after(
        r#"
[entities."a b"]
kind = "amount"
[entities.x]
kind = "mony"
values = 1
patterns = ["(", 2]
valeus = []
[entities.y]
[entities.z]
values.a = "b"
values.c = [" ", "d"]
"#,
        r#"
line 10, column 11: 'a b' is no valid name: use 1 to 64 of the characters A-Z a-z 0-9 _ -
line 13, column 8: there is no kind 'mony': there are 'amount', 'date', 'email', 'number', 'phone'
line 14, column 10: values must be a list of texts, or a list for each value, such as values.kettle = ["kettles", "水壶"], and this is a number
line 15, column 13: '(' is no regular expression that can be used: error: unclosed group
line 15, column 18: a pattern must be a text in quotes, and this is a number
line 16, column 1: there is no key 'valeus': did you mean 'values'?
line 17, column 11: the entity has nothing to be found by: give it values = ["…"], patterns = ['…'], or a kind
line 19, column 12: values.a must be a list of what users say for it, and this is a text
line 20, column 13: ' ' can't be a value: it takes 1 to 64 characters
"#,
    );
    faults(
        &format!("entities = 1\n{SOUND}"),
        "line 1, column 12: entities must be tables, each written [entities.NAME], and this is a number\n",
    );
}

#[test]
fn reads_entities_and_what_examples_are_marked_with() {
    let text = format!(
        "{SOUND}{}",
        r#"
[intents.price]
examples = ["how much is the [kettle](product)", "[水壶](product:kettle)多少钱", "to [Rome](city)", "a [b] c", "d"]
reply.en = "{{ entities.product }}"
[entities.product]
values.kettle = ["kettles"]
values.toaster = []
[entities.order_number]
patterns = ['\d{10}']
[entities.sum]
kind = "amount"
"#
    );
    let file = IntentsFile::parse("test.toml", &text).unwrap().file;
    let examples: Vec<_> = file.intents[3].examples.iter().map(|example| example.text.as_str()).collect();
    assert_eq!(examples, ["how much is the kettle", "水壶多少钱", "to Rome", "a [b] c", "d"]);
    let entities: Vec<_> = file
        .entities
        .iter()
        .map(|it| {
            let values: Vec<_> = it.values.iter().map(|(value, said)| format!("{value}: {}", said.join(" "))).collect();
            format!("{} {values:?} {:?} {:?}", it.name, it.patterns, it.built_in)
        })
        .collect();
    let expected = [
        r#"product ["kettle: kettles 水壶", "toaster: "] [] None"#,
        r#"order_number [] ["\\d{10}"] None"#,
        r#"sum [] [] Some(Amount)"#,
        r#"city ["Rome: "] [] None"#,
    ];
    assert_eq!(entities, expected);
}

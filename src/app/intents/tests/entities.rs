//! What is told of entities: who reads one that isn't there.

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

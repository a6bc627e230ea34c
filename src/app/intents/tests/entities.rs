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

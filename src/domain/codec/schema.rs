//! The messages as JSON Schema, made of the types that they are written and read by.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::{command, reply, request};

/// The schemas of all messages, by name; they refer to one another as `#/components/schemas/NAME`.
pub(crate) fn schemas() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let _ = [
        generator.subschema_for::<request::Json<'_>>(),
        generator.subschema_for::<reply::ReplyJson<'_>>(),
        generator.subschema_for::<reply::PartJson<'_>>(),
        generator.subschema_for::<reply::ErrorJson<'_>>(),
        generator.subschema_for::<command::DoneJson<'_>>(),
        generator.subschema_for::<command::SpokenJson<'_>>(),
    ];
    generator.take_definitions(true)
}

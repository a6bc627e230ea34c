//! The messages as JSON Schema, made of the types that they are written and read by.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};

use super::{command, feedback, reply, request};

/// Schemas that refer to one another as `#/components/schemas/NAME`: of types that are written, where a field that may be left
/// out needn't be there, and of types that are read, where one that is an option needn't.
pub(crate) struct Schemas {
    pub(crate) written: SchemaGenerator,
    pub(crate) read: SchemaGenerator,
}

impl Schemas {
    /// Those of all messages.
    pub(crate) fn of_messages() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        let mut written = settings.clone().for_serialize().into_generator();
        let mut read = settings.for_deserialize().into_generator();
        let _ = [
            written.subschema_for::<request::Json<'_>>(),
            written.subschema_for::<reply::ReplyJson<'_>>(),
            written.subschema_for::<reply::PartJson<'_>>(),
            written.subschema_for::<reply::ErrorJson<'_>>(),
            written.subschema_for::<command::DoneJson<'_>>(),
            written.subschema_for::<command::SpokenJson<'_>>(),
            read.subschema_for::<feedback::Fields<'_>>(),
        ];
        Self { written, read }
    }

    /// All of them, by name.
    pub(crate) fn all(mut self) -> Map<String, Value> {
        let mut all = self.written.take_definitions(true);
        all.extend(self.read.take_definitions(true));
        all
    }
}

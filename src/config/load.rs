//! From layers to the program's own settings type, with everything that is wrong said at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

use ::config::{Config, ConfigError};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Key, NamedSections, Origin, Problem, Problems, Variables, environment,
    known::Known,
    layer::{Entry, Layer, Raw},
    suggest::{self, Instead},
    toml_text,
};

/// How a file is read: [`std::fs::read`], or a test's own.
pub type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// What a program's settings are. `T` has a field for each section, which has a field for each setting; each of these
/// is serialised as the text that an operator may see, so a secret masks itself.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a, T> {
    /// What its environment variables begin with, without the underscore.
    pub prefix: &'static str,
    /// Its defaults, TOML with every setting; those that are off are empty texts.
    pub defaults: &'static str,
    /// The sections whose names an operator chooses.
    pub named: Option<NamedSections>,
    /// Names of such sections that count as listed, even if the list does not name them.
    pub also_listed: &'a [String],
    /// Keys that one may take for settings, `section.name`, and where they belong.
    pub elsewhere: &'static [(&'static str, &'static str)],
    /// What the settings' types can't see: values that contradict one another.
    pub check: fn(&T) -> Vec<Conflict>,
}

/// Values that contradict one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The settings concerned, as `section.name`; the one to change first.
    pub keys: Vec<String>,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// Settings that are right.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    pub settings: T,
    /// Each setting's value and where it came from, by key.
    pub effective: Vec<Effective>,
    /// What an operator may want to know, though nothing is wrong.
    pub notices: Vec<String>,
}

/// A setting's value, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Effective {
    /// The setting, `section.name`.
    pub key: String,
    /// Its value as text, with secrets masked; empty where it is off.
    pub value: String,
    pub origin: Origin,
}

/// Loads the settings: defaults, then the file that `<PREFIX>_CONFIG` names, then the environment.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load<T>(program: &Program<'_, T>, variables: &Variables, read: ReadFile<'_>) -> Result<Loaded<T>, Problems>
where
    T: DeserializeOwned + Serialize,
{
    let (defaults, problems) = toml_text::parse(program.defaults, |_| Origin::Default);
    Problems::collect(problems)?;
    let mut layers = Layers::new(defaults, program.named);
    let mut builtin = layers.built_in::<T>()?;
    let mut known = Known::new(builtin.keys().cloned(), program.named, program.elsewhere);

    let mut environment = environment::read(program.prefix, variables, &known, read);
    let mut problems = Vec::new();
    let mut complete = true;
    if let Some(path) = &environment.file {
        let (layer, found) = read_file(program.prefix, path, read);
        complete = found.is_empty();
        layers.file = layer;
        problems.extend(found);
    }
    layers.environment = environment.layer;
    if layers.name_sections(program.also_listed, &mut known, &mut builtin) {
        // Only now is it known which variables are settings.
        environment = environment::read(program.prefix, variables, &known, read);
        layers.environment = environment.layer;
    }
    layers.share(&known);
    problems.extend(environment.problems);

    let mut wrong = environment.wrong;
    // A wrong value is taken away, so that the layer below it shows, until what is left can be read. Each round takes
    // one away, so there are no more rounds than values.
    let (settings, unknown) = loop {
        match layers.deserialize::<T>() {
            Ok(read) => break read,
            Err(fault) => {
                let taken = fault.key.clone().and_then(|key| layers.take(&key).map(|entry| (key, entry)));
                let Some((key, entry)) = taken else { return Err(fault.into_problem().into()) };
                problems.push(wrong_value(&key, &entry, fault.message, builtin.get(&key)));
                wrong.insert(key);
            }
        }
    };
    problems.extend(unknown.iter().map(|(key, origin)| unknown_key(program.prefix, key, origin, &known)));
    // What couldn't be read of the file may be what resolves a contradiction.
    if complete {
        problems
            .extend((program.check)(&settings).into_iter().filter_map(|conflict| layers.conflict(conflict, &wrong)));
    }
    Problems::collect(problems)?;

    let effective = layers
        .values(&settings)?
        .into_iter()
        .map(|(key, value)| Effective { origin: layers.origin(&key), key: key.to_string(), value })
        .collect();
    Ok(Loaded { settings, effective, notices: environment.notices })
}

fn read_file(prefix: &str, path: &Path, read: ReadFile<'_>) -> (Layer, Vec<Problem>) {
    match environment::read_text(path, read) {
        Ok(text) => toml_text::parse(&text, |line| Origin::File { path: path.to_owned(), line }),
        Err(reason) => {
            let mut message = format!("the file {} {reason}", path.display());
            if environment::is_in_quotation_marks(&path.to_string_lossy()) {
                message.push_str("; leave out the quotation marks, as env files keep them");
            }
            (Layer::default(), vec![Problem::variable(format!("{prefix}_CONFIG"), message)])
        }
    }
}

/// The layers, lowest first.
#[derive(Debug)]
struct Layers {
    defaults: Layer,
    /// What the file and the environment say of all named sections.
    common: Layer,
    file: Layer,
    environment: Layer,
    named: Option<NamedSections>,
    /// The defaults of a named section.
    template: Layer,
    /// The named sections that there are.
    names: BTreeSet<String>,
}

/// Why the layers can't be read as the settings' type.
struct Fault {
    key: Option<Key>,
    message: String,
}

impl Layers {
    fn new(mut defaults: Layer, named: Option<NamedSections>) -> Self {
        let template = named.map(|named| defaults.split_section(named.template)).unwrap_or_default();
        let (common, file, environment, names) = Default::default();
        Self { defaults, common, file, environment, named, template, names }
    }

    /// The defaults alone, by key, those of a named section under its template's name. They have to be right: that is
    /// the program's business, and not the operator's.
    fn built_in<T: DeserializeOwned + Serialize>(&mut self) -> Result<BTreeMap<Key, String>, Problems> {
        if let Some(named) = self.named {
            self.add_section(named.template);
        }
        let (settings, unknown) = self.deserialize::<T>().map_err(Fault::into_problem)?;
        let problem = |(key, origin): (Key, Origin)| Problem::new(origin, Some(key.to_string()), "no such setting");
        Problems::collect(unknown.into_iter().map(problem).collect())?;
        let values = self.values(&settings)?;
        if let Some(named) = self.named {
            self.defaults.split_section(named.template);
            self.names.clear();
        }
        Ok(values)
    }

    /// Finds the named sections, and adds what they have to what is known; whether there are any.
    fn name_sections(
        &mut self,
        also_listed: &[String],
        known: &mut Known,
        builtin: &mut BTreeMap<Key, String>,
    ) -> bool {
        let Some(named) = self.named else { return false };
        let names = named.names([&self.defaults, &self.file, &self.environment], also_listed, known);
        let template: Vec<(Key, String)> = builtin
            .iter()
            .filter(|(key, _)| key.section() == named.template)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        for name in &names {
            self.add_section(name);
            known.add_section(name);
            builtin.extend(template.iter().map(|(key, value)| (Key::new(name.as_str(), key.name()), value.clone())));
        }
        !names.is_empty()
    }

    /// Takes what is set for all named sections to where each of them gets it.
    fn share(&mut self, known: &Known) {
        let Some(named) = self.named else { return };
        for layer in [&mut self.file, &mut self.environment] {
            let shared = layer.split_section(named.template);
            for (key, entry) in shared.iter() {
                if !known.contains(key) {
                    layer.insert(key.clone(), entry.clone());
                    continue;
                }
                for name in &self.names {
                    self.common.insert(Key::new(name.as_str(), key.name()), entry.clone());
                }
            }
        }
    }

    /// Adds a named section, with its defaults.
    fn add_section(&mut self, name: &str) {
        self.defaults.add_section(name);
        for (key, entry) in self.template.iter() {
            self.defaults.insert(Key::new(name, key.name()), entry.clone());
        }
        self.names.insert(name.to_owned());
    }

    /// The settings, and the keys that their type doesn't have.
    fn deserialize<T: DeserializeOwned>(&self) -> Result<(T, Vec<(Key, Origin)>), Fault> {
        let merged = Config::builder()
            .add_source(self.nested(&self.defaults))
            .add_source(self.nested(&self.common))
            .add_source(self.nested(&self.file))
            .add_source(self.nested(&self.environment))
            .build()
            .map_err(|error| Fault { key: None, message: reason(error) })?;
        let mut track = serde_path_to_error::Track::new();
        let mut ignored = BTreeSet::new();
        let deserializer = serde_path_to_error::Deserializer::new(merged, &mut track);
        match serde_ignored::deserialize(deserializer, |path| {
            ignored.insert(self.key(&path.to_string()).to_owned());
        }) {
            Ok(settings) => {
                let unknown = [&self.defaults, &self.file, &self.environment].into_iter().flat_map(Layer::iter);
                let unknown = unknown
                    .filter(|(key, _)| {
                        let section = key.section();
                        // The template's place is that of the table which holds the named sections.
                        let template = self.named.is_some_and(|named| named.template == section);
                        ignored.contains(section)
                            || ignored.contains(&key.to_string())
                            || template && !self.names.contains(section)
                    })
                    .map(|(key, entry)| (key.clone(), entry.origin.clone()));
                Ok((settings, unknown.collect()))
            }
            Err(error) => {
                let path = track.path().to_string();
                let key = self.key(&path).split_once('.').map(|(section, name)| Key::new(section, name));
                Err(Fault { key, message: reason(error) })
            }
        }
    }

    fn nested(&self, layer: &Layer) -> Layer {
        self.named.map_or_else(|| layer.clone(), |named| layer.nested(named.template, &self.names))
    }

    /// The setting at a path of the settings' type: a named section's is one table deeper.
    fn key<'p>(&self, path: &'p str) -> &'p str {
        let nested = self.named.and_then(|named| path.strip_prefix(named.template)?.strip_prefix('.'));
        nested.unwrap_or(path)
    }

    /// The settings as text, secrets masked by their types.
    fn values<T: Serialize>(&self, settings: &T) -> Result<BTreeMap<Key, String>, Problem> {
        let fault = |message: String| Problem::new(Origin::Default, None, message);
        let value = serde_json::to_value(settings).map_err(|error| fault(error.to_string()))?;
        let Value::Object(mut sections) = value else { return Err(fault("the settings have no sections".into())) };
        if let Some(Value::Object(named)) = self.named.and_then(|named| sections.remove(named.template)) {
            sections.extend(named);
        }
        let mut values = BTreeMap::new();
        for (section, content) in sections {
            let Value::Object(content) = content else { return Err(fault(format!("{section} is no section"))) };
            for (name, value) in content {
                values.insert(Key::new(section.as_str(), name), text(&value));
            }
        }
        Ok(values)
    }

    /// Takes a key's uppermost value away; `None` if only the default is left.
    fn take(&mut self, key: &Key) -> Option<Entry> {
        self.environment.remove(key).or_else(|| self.file.remove(key)).or_else(|| self.common.remove(key))
    }

    fn origin(&self, key: &Key) -> Origin {
        let entry = [&self.environment, &self.file, &self.common].into_iter().find_map(|layer| layer.get(key));
        entry.map_or(Origin::Default, |entry| entry.origin.clone())
    }

    /// The problem of a conflict, put where the operator set one of its values; `None` if one of them has been found
    /// wrong by itself, since another stands in for it.
    fn conflict(&self, conflict: Conflict, wrong: &BTreeSet<Key>) -> Option<Problem> {
        let keys: Vec<Key> = conflict
            .keys
            .iter()
            .filter_map(|key| key.split_once('.'))
            .map(|(section, name)| Key::new(section, name))
            .collect();
        if keys.iter().any(|key| wrong.contains(key)) {
            return None;
        }
        let set = keys.iter().find(|key| self.origin(key) != Origin::Default).or(keys.first())?;
        Some(Problem::new(self.origin(set), Some(set.to_string()), conflict.message))
    }
}

impl Fault {
    fn into_problem(self) -> Problem {
        Problem::new(Origin::Default, self.key.map(|key| key.to_string()), self.message)
    }
}

/// The message alone, without the key and origin that the `config` crate adds.
fn reason(error: ConfigError) -> String {
    match error {
        ConfigError::At { error, .. } => reason(*error),
        ConfigError::Message(message) => message,
        other => other.to_string(),
    }
}

fn wrong_value(key: &Key, entry: &Entry, mut message: String, default: Option<&String>) -> Problem {
    if let Some(default) = default.filter(|default| !default.is_empty()) {
        message.push_str(&format!(" (default: {default})"));
    }
    let hint = match (&entry.raw, &entry.origin) {
        (Raw::Text(text), Origin::Variable(_)) if environment::is_in_quotation_marks(text) => {
            "; the quotation marks are part of the value: leave them out, as env files keep them"
        }
        (Raw::Text(text), Origin::VariableFile { .. }) if environment::is_in_quotation_marks(text.trim()) => {
            "; the quotation marks in the file are part of the value: leave them out"
        }
        _ => "",
    };
    message.push_str(hint);
    Problem::new(entry.origin.clone(), Some(key.to_string()), message)
}

fn unknown_key(prefix: &str, key: &Key, origin: &Origin, known: &Known) -> Problem {
    if let Origin::Variable(name) | Origin::VariableFile { variable: name, .. } = origin {
        return environment::unknown(prefix, name, known);
    }
    if let Some(hint) = known.hint(&key.to_string(), Key::to_string) {
        return Problem::new(origin.clone(), Some(key.to_string()), format!("no such setting; {hint}"));
    }
    let hint = match suggest::nearest(&key.to_string(), &**known) {
        Some(near) => format!("did you mean {near}?"),
        None => match suggest::instead(&key.to_string(), &**known) {
            Instead::Names(section, names) => format!("[{section}] has {}", names.join(", ")),
            Instead::Sections(sections) => {
                format!("the sections are {}", sections.into_iter().collect::<Vec<_>>().join(", "))
            }
        },
    };
    Problem::new(origin.clone(), Some(key.to_string()), format!("no such setting; {hint}"))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

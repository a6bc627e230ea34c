//! One reply text: compiled once, rendered for each request.
//!
//! **Invariant:** what a request says is data. It is never compiled, it can't make rendering cost more than [`FUEL`],
//! and it is in no error.

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, syntax::SyntaxConfig};

use super::variable::Variable;
use crate::handler::Job;

/// The longest reply text, as written and as rendered, in bytes.
pub const MAX_LENGTH: usize = 1024 * 1024;

/// What rendering one reply may cost: an instruction costs 1, and so do 64 bytes made or read. That is a few
/// milliseconds and 3 MB, where a reply that names the sender costs about 10.
const FUEL: u64 = 50_000;

/// The name of the one template in its environment.
const NAME: &str = "reply";

/// A reply text that the bot's author wrote, ready to answer.
#[derive(Debug)]
pub struct ReplyText(Kind);

#[derive(Debug)]
enum Kind {
    /// No template syntax in it: the answer as it is.
    Plain(String),
    Template {
        environment: Box<Environment<'static>>,
        /// What the template reads: nothing else of a request is converted for it.
        variables: Vec<Variable>,
        slots: Vec<SlotVariable>,
        /// The entities that it reads by their names.
        entities: Vec<String>,
    },
}

/// What a template reads of the slots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SlotVariable {
    /// `slots` or `labels`.
    pub variable: &'static str,
    /// The slot's name; `None` where it reads them otherwise than by their names, so that nobody can say which.
    pub slot: Option<String>,
}

/// Why a reply text can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyTextError {
    /// Nothing to say.
    #[error("the text is empty: write what the bot answers")]
    Empty,
    /// Longer than [`MAX_LENGTH`].
    #[error("the text is longer than 1 MiB: shorten it")]
    TooLong,
    /// It isn't a template.
    #[error("line {line} of the text: {reason}")]
    Invalid {
        /// The line of the text, from 1.
        line: usize,
        reason: String,
    },
    /// It reads variables that no request has.
    #[error("no variable is called {}: there are {}", quoted(.unknown), quoted(&Variable::names()))]
    UnknownVariables {
        /// Their names, sorted.
        unknown: Vec<String>,
    },
}

/// Why a reply text wasn't rendered for one request; tells the place in the text, and nothing of the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The template and the request's values don't fit.
    #[error("line {line}: {reason}")]
    Failed {
        /// The line of the text, from 1; 0 where it isn't known.
        line: usize,
        /// The kind of fault.
        reason: String,
    },
    /// The request's metadata can't be read by a template.
    #[error("the request's metadata can't be read: {0}")]
    Metadata(String),
    /// Longer than [`MAX_LENGTH`].
    #[error("the rendered text is longer than 1 MiB")]
    TooLong,
    /// Only white space.
    #[error("the rendered text is empty: give the template something to say where a variable is missing")]
    Empty,
}

impl SlotVariable {
    /// As the template writes it.
    pub fn path(&self) -> String {
        match &self.slot {
            Some(slot) => format!("{}.{slot}", self.variable),
            None => self.variable.to_owned(),
        }
    }
}

impl ReplyText {
    /// Compiles a text in minijinja's (Jinja2's) syntax. White space at its ends isn't part of the answer: a text in
    /// triple quotes ends in a line break that nobody means to send.
    ///
    /// # Errors
    /// [`ReplyTextError`], also for a variable, filter, test or method that doesn't exist, as far as two trial
    /// renderings reach.
    pub fn compile(source: &str) -> Result<Self, ReplyTextError> {
        if source.trim().is_empty() {
            return Err(ReplyTextError::Empty);
        }
        if source.len() > MAX_LENGTH {
            return Err(ReplyTextError::TooLong);
        }
        if !["{{", "{%", "{#"].iter().any(|tag| source.contains(tag)) {
            return Ok(Self(Kind::Plain(source.trim().to_owned())));
        }
        let mut environment = environment().map_err(|error| invalid(&error))?;
        environment.add_template_owned(NAME, source.to_owned()).map_err(|error| invalid(&error))?;
        let variables = variables(&environment)?;
        try_out(&environment)?;
        let (slots, entities) = (slots(&environment)?, entities(&environment)?);
        Ok(Self(Kind::Template { environment: Box::new(environment), variables, slots, entities }))
    }

    /// Whether it is the same for every request.
    pub fn is_fixed(&self) -> bool {
        matches!(self.0, Kind::Plain(_))
    }

    /// Whether it reads a variable of that name.
    pub fn reads(&self, name: &str) -> bool {
        match &self.0 {
            Kind::Plain(_) => false,
            Kind::Template { variables, .. } => variables.iter().any(|variable| variable.name() == name),
        }
    }

    /// What it reads of the slots, as `slots.order` or `labels.order`.
    pub fn slots(&self) -> &[SlotVariable] {
        match &self.0 {
            Kind::Plain(_) => &[],
            Kind::Template { slots, .. } => slots,
        }
    }

    /// The entities that it reads by their names, as `entities.order`.
    pub fn entities(&self) -> &[String] {
        match &self.0 {
            Kind::Plain(_) => &[],
            Kind::Template { entities, .. } => entities,
        }
    }

    /// The answer to a request, in the text's language, a BCP 47 tag.
    ///
    /// # Errors
    /// [`RenderError`], where this request's values don't fit the template.
    pub fn render(&self, job: &Job<'_>, language: &str) -> Result<String, RenderError> {
        let (environment, variables) = match &self.0 {
            Kind::Plain(text) => return Ok(text.clone()),
            Kind::Template { environment, variables, .. } => (environment, variables),
        };
        let mut values = Vec::with_capacity(variables.len());
        for variable in variables {
            // What the request lacks stays undefined, and renders as nothing.
            if let Some(value) =
                variable.value(job, language).map_err(|error| RenderError::Metadata(error.to_string()))?
            {
                values.push((variable.name(), value));
            }
        }
        let rendered = environment
            .get_template(NAME)
            .and_then(|template| template.render(Value::from_pairs(values)))
            .map_err(|error| failed(&error))?;
        match rendered.trim() {
            "" => Err(RenderError::Empty),
            text if text.len() > MAX_LENGTH => Err(RenderError::TooLong),
            text => Ok(text.to_owned()),
        }
    }
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(FUEL));
    // It writes everything at hand into the answer.
    environment.remove_global("debug");
    // A tag on a line of its own leaves no empty line behind.
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    Ok(environment)
}

/// The variables that the template reads.
fn variables(environment: &Environment<'_>) -> Result<Vec<Variable>, ReplyTextError> {
    let names = environment.get_template(NAME).map_err(|error| invalid(&error))?.undeclared_variables(false);
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    for name in names {
        if let Some(variable) = Variable::named(&name) {
            known.push(variable);
        } else if !environment.globals().any(|(global, _)| global == name) {
            unknown.push(name);
        }
    }
    unknown.sort();
    if unknown.is_empty() { Ok(known) } else { Err(ReplyTextError::UnknownVariables { unknown }) }
}

/// What the template reads of the slots, by their names first.
fn slots(environment: &Environment<'_>) -> Result<Vec<SlotVariable>, ReplyTextError> {
    let read = environment.get_template(NAME).map_err(|error| invalid(&error))?.undeclared_variables(true);
    let mut slots: Vec<SlotVariable> = Vec::new();
    for path in read {
        let mut parts = path.split('.');
        let first = parts.next();
        if let Some(variable) = ["slots", "labels"].into_iter().find(|name| first == Some(*name)) {
            slots.push(SlotVariable { variable, slot: parts.next().map(str::to_owned) });
        }
    }
    slots.sort_by_cached_key(|read| (read.slot.is_none(), read.clone()));
    slots.dedup();
    Ok(slots)
}

/// The entities that the template reads by their names.
fn entities(environment: &Environment<'_>) -> Result<Vec<String>, ReplyTextError> {
    let read = environment.get_template(NAME).map_err(|error| invalid(&error))?.undeclared_variables(true);
    let mut names: Vec<String> = Vec::new();
    for path in read {
        let mut parts = path.split('.');
        if let (Some("entities"), Some(name)) = (parts.next(), parts.next()) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// Renders once with every value and once with none: minijinja looks up filters, tests and methods only then, and a
/// misspelt one should be found before a customer finds it. Other failures may be due to the values tried.
fn try_out(environment: &Environment<'_>) -> Result<(), ReplyTextError> {
    let template = environment.get_template(NAME).map_err(|error| invalid(&error))?;
    for values in [Variable::samples(), Vec::new()] {
        if let Err(error) = template.render(Value::from_pairs(values))
            && matches!(
                error.kind(),
                ErrorKind::UnknownFilter
                    | ErrorKind::UnknownTest
                    | ErrorKind::UnknownFunction
                    | ErrorKind::UnknownMethod
                    | ErrorKind::TooManyArguments
                    | ErrorKind::MissingArgument
            )
        {
            return Err(invalid(&error));
        }
    }
    Ok(())
}

fn invalid(error: &minijinja::Error) -> ReplyTextError {
    let reason = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    ReplyTextError::Invalid { line: error.line().unwrap_or(1), reason }
}

/// Only the kind of error: its detail may hold values of the request.
fn failed(error: &minijinja::Error) -> RenderError {
    let reason = match error.kind() {
        ErrorKind::OutOfFuel => "it takes too long, or makes too much text, for this request".to_owned(),
        kind => kind.to_string(),
    };
    RenderError::Failed { line: error.line().unwrap_or_default(), reason }
}

fn quoted(names: &[impl AsRef<str>]) -> String {
    names.iter().map(|name| format!("'{}'", name.as_ref())).collect::<Vec<_>>().join(", ")
}

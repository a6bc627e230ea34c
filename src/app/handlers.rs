//! The handlers that the intents file names, put together: documents, catalogues and services, each once for all that use
//! it.

use std::{
    collections::HashMap,
    fs::File,
    io::Read,
    num::NonZeroU16,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use super::{
    BUILT_IN_NAME, BuildError,
    intents::{
        CatalogueDefinition, Faults, Finding, HandlerDefinition, IntentDefinition, IntentsFile, KnowledgeDefinition,
        LlmDefinition, Name, Problem, RecommendDefinition, TranslateDefinition,
    },
    services::Services,
    settings::Settings,
};
use crate::{
    catalogue::Catalogue,
    corpus::{Sheet, SheetRow},
    handler::{
        Handler, Handlers, Retriever,
        documents::Documents,
        llm::{LlmHandler, LlmSettings},
        recommend::{self, Recommend, Shop},
        search::Search,
        template::TemplateHandler,
        translate::{Language, Term, TranslateHandler, TranslateSettings},
    },
    knowledge::{self, Knowledge},
    outbound::{Vectors, chat::Chat, transcription::Transcriber},
};

/// The largest catalogue's file, in bytes.
const MAX_CATALOGUE: u64 = 64 << 20;

/// What handlers are made of.
pub struct Workshop<'a> {
    settings: &'a Settings,
    intents: &'a IntentsFile,
    services: Services<'a>,
    documents: HashMap<&'a str, Arc<Documents>>,
    shops: HashMap<&'a str, Arc<Shop>>,
    faults: Vec<Finding>,
}

impl<'a> Workshop<'a> {
    /// Reads the documents and catalogues. Takes a processor's time.
    pub fn open(settings: &'a Settings, intents: &'a IntentsFile) -> Self {
        let services = Services::new(settings);
        let mut workshop =
            Self { settings, intents, services, documents: HashMap::new(), shops: HashMap::new(), faults: Vec::new() };
        for knowledge in &intents.knowledge {
            if let Some(found) = workshop.knowledge(knowledge) {
                workshop.documents.insert(&knowledge.name.name, Arc::new(found));
            }
        }
        for catalogue in &intents.catalogues {
            match workshop.opened(catalogue) {
                Ok(shop) => _ = workshop.shops.insert(&catalogue.name.name, Arc::new(shop)),
                Err(problem) => workshop.fault(None, &catalogue.path, problem),
            }
        }
        workshop
    }

    /// What makes text of recordings; none where the file names nothing, or where a fault was told.
    pub(super) fn transcriber(&mut self) -> Option<Arc<Transcriber>> {
        let name = self.intents.transcription.as_ref()?;
        self.services.transcriber(&name.name).map_err(|fault| self.fault(None, name, Problem::Service(fault))).ok()
    }

    /// The documents of that name, where they could be read.
    pub fn documents(&self, name: &str) -> Option<&Documents> {
        self.documents.get(name).map(|documents| &**documents)
    }

    /// The catalogue of that name, where it could be read.
    pub fn shop(&self, name: &str) -> Option<&Shop> {
        self.shops.get(name).map(|shop| &**shop)
    }

    /// The handlers of every intent, in the file's order.
    ///
    /// # Errors
    /// Everything that is wrong with what the intents file names.
    pub fn handlers(mut self) -> Result<Vec<Handlers>, BuildError> {
        let mut made = Vec::with_capacity(self.intents.intents.len());
        for intent in &self.intents.intents {
            let handlers = intent.handlers.iter().map(|handler| self.handler(intent, handler));
            let handlers: Vec<Option<Arc<dyn Handler>>> = handlers.collect::<Result<_, _>>()?;
            made.push(Handlers::new(handlers.into_iter().flatten()));
        }
        if self.faults.is_empty() {
            return Ok(made);
        }
        let path = self.settings.intents.path.as_ref().map(|path| path.as_path().display().to_string());
        self.faults.sort_by_key(|fault| fault.position);
        let source_name = path.unwrap_or_else(|| BUILT_IN_NAME.to_owned());
        Err(BuildError::Intents(Faults { source_name, faults: self.faults }))
    }

    /// A handler; none where a fault was told.
    fn handler(
        &mut self,
        intent: &IntentDefinition,
        handler: &HandlerDefinition,
    ) -> Result<Option<Arc<dyn Handler>>, BuildError> {
        Ok(match handler {
            HandlerDefinition::Template { replies } => Some(Arc::new(TemplateHandler::new(&intent.name, replies)?)),
            HandlerDefinition::Recommend(recommend) => self.recommend(intent, recommend),
            HandlerDefinition::Webhook { service } => match self.services.webhook(&service.name) {
                Ok(webhook) => Some(Arc::new(webhook)),
                Err(fault) => {
                    self.fault(Some(intent), service, Problem::Service(fault));
                    None
                }
            },
            HandlerDefinition::Search { knowledge } => {
                // Documents that can't be read were told.
                let documents = self.documents.get(&*knowledge.name).map(Arc::clone);
                documents.map(|documents| Arc::new(Search::new(documents)) as Arc<dyn Handler>)
            }
            HandlerDefinition::Llm(llm) => self.llm(intent, llm),
            HandlerDefinition::Translate(translate) => self.translate(intent, translate),
        })
    }

    /// A language model, and its longest answer; none where a fault was told.
    fn chat(&mut self, intent: &IntentDefinition, service: &Name) -> Option<(Arc<Chat>, NonZeroU16)> {
        let name = &service.name;
        match (self.services.chat(name), self.services.answer_tokens(name)) {
            (Ok(chat), Ok(max_tokens)) => Some((chat, max_tokens)),
            (Err(fault), _) | (_, Err(fault)) => {
                self.fault(Some(intent), service, Problem::Service(fault));
                None
            }
        }
    }

    fn llm(&mut self, intent: &IntentDefinition, definition: &LlmDefinition) -> Option<Arc<dyn Handler>> {
        let LlmDefinition { service, system, knowledge, history } = definition;
        let (chat, max_tokens) = self.chat(intent, service)?;
        let knowledge = match knowledge {
            None => None,
            // Documents that can't be read were told.
            Some(knowledge) => Some(Arc::clone(self.documents.get(&*knowledge.name)?) as Arc<dyn Retriever>),
        };
        let history = usize::try_from(*history).unwrap_or(usize::MAX);
        // One that isn't there was told.
        let images = self.services.looks_at_images(&service.name).unwrap_or_default();
        let settings = LlmSettings { system: system.clone(), knowledge, history, max_tokens, images };
        match LlmHandler::new(chat, settings) {
            Ok(handler) => Some(Arc::new(handler)),
            Err(error) => {
                self.fault(Some(intent), service, Problem::Llm(error));
                None
            }
        }
    }

    fn translate(&mut self, intent: &IntentDefinition, definition: &TranslateDefinition) -> Option<Arc<dyn Handler>> {
        let TranslateDefinition { service, to, glossary } = definition;
        let (chat, max_tokens) = self.chat(intent, service)?;
        let to = match to.as_ref().map(|to| (to, Language::of_tag(&to.name))) {
            None => None,
            Some((_, Some(language))) => Some(language),
            Some((to, None)) => {
                self.fault(Some(intent), to, Problem::UnspokenLanguage(to.name.clone()));
                return None;
            }
        };
        let glossary = match glossary.as_ref().map(|glossary| (glossary, self.glossary(glossary))) {
            None => Vec::new(),
            Some((_, Ok(terms))) => terms,
            Some((glossary, Err(reason))) => {
                self.fault(Some(intent), glossary, Problem::Glossary(reason));
                return None;
            }
        };
        Some(Arc::new(TranslateHandler::new(chat, TranslateSettings { to, glossary, max_tokens })))
    }

    fn recommend(&mut self, intent: &IntentDefinition, definition: &RecommendDefinition) -> Option<Arc<dyn Handler>> {
        let RecommendDefinition { catalogue, limit, prior, group } = definition;
        // One that isn't there was told.
        let shop = self.shops.get(&*catalogue.name)?;
        let column = |name: &Option<Name>| name.as_ref().map(|name| name.name.clone());
        let settings = recommend::Settings { limit: limit.get().into(), prior: column(prior), group: column(group) };
        match Recommend::new(Arc::clone(shop), &settings) {
            Ok(handler) => Some(Arc::new(handler)),
            Err(reason) => {
                let place = if reason.starts_with("recommend.group") { group.as_ref() } else { prior.as_ref() };
                self.fault(Some(intent), place.unwrap_or(catalogue), Problem::Catalogue(reason));
                None
            }
        }
    }

    /// Documents that are read and indexed; none where a fault was told.
    fn knowledge(&mut self, definition: &'a KnowledgeDefinition) -> Option<Documents> {
        let began = Instant::now();
        let mut passages = Vec::new();
        let folder = self.intents.folder.as_deref().unwrap_or(Path::new(""));
        for path in &definition.paths {
            match knowledge::read(folder, &[&path.name]) {
                Ok(read) => {
                    for note in read.notes.iter() {
                        tracing::info!(knowledge = definition.name.name, "{note}");
                    }
                    passages.extend(read.passages);
                }
                Err(errors) => {
                    errors.iter().for_each(|error| self.fault(None, path, Problem::Knowledge(error.to_string())));
                }
            }
        }
        if !self.faults.is_empty() {
            return None;
        }
        if passages.is_empty() {
            let nothing = "there is nothing in these documents to find".to_owned();
            self.fault(None, definition.paths.first().unwrap_or(&definition.name), Problem::Knowledge(nothing));
            return None;
        }
        let found = Knowledge::build(passages);
        let (name, passages) = (&definition.name.name, found.passages().len());
        tracing::info!(knowledge = name, passages, took = ?began.elapsed(), "documents are read and indexed");
        let embedder = match &definition.embeddings {
            None => None,
            Some(service) => match self.services.embedder(&service.name) {
                Ok(embedder) => Some(embedder),
                Err(fault) => {
                    self.fault(None, service, Problem::Service(fault));
                    return None;
                }
            },
        };
        Some(Documents::new(name, found, embedder, Vectors::of_process()))
    }

    /// The terms of a table with a column for each language.
    fn glossary(&self, glossary: &Name) -> Result<Vec<Term>, String> {
        let path = self.path(&glossary.name);
        let fault = |reason: String| format!("{}: {reason}", path.display());
        let sheet = Sheet::read(&read(&path).map_err(fault)?, None).map_err(|error| fault(error.to_string()))?;
        if let Some(broken) = sheet.faults.first() {
            return Err(fault(format!("line {}: {}", broken.line, broken.reason)));
        }
        let mut languages = Vec::with_capacity(sheet.header.len());
        for tag in &sheet.header {
            languages.push(Language::of_tag(tag).ok_or_else(|| {
                fault(format!("line 1: the column '{tag}' isn't the tag of a language, such as en or zh: name it so"))
            })?);
        }
        let term = |row: SheetRow| {
            let words = languages.iter().zip(row.cells).filter(|(_, cell)| !cell.is_empty());
            words.map(|(language, cell)| (language.tag.to_owned(), cell)).collect::<Term>()
        };
        Ok(sheet.rows.into_iter().map(term).collect())
    }

    fn opened(&self, catalogue: &CatalogueDefinition) -> Result<Shop, Problem> {
        let path = self.path(&catalogue.path.name);
        let fault = |reason: String| Problem::Catalogue(format!("{}: {reason}", path.display()));
        let bytes = read(&path).map_err(fault)?;
        let (found, notes) = Catalogue::read(&bytes).map_err(|error| fault(error.to_string()))?;
        for note in notes.iter() {
            tracing::info!(file = %path.display(), "{note}");
        }
        tracing::info!(catalogue = catalogue.name.name, items = found.len(), "a catalogue is read");
        Ok(Shop::new(found))
    }

    /// A path of the intents file.
    fn path(&self, path: &str) -> PathBuf {
        self.intents.folder.as_deref().unwrap_or(Path::new("")).join(path)
    }

    fn fault(&mut self, intent: Option<&IntentDefinition>, name: &Name, problem: Problem) {
        let intent = intent.map(|intent| intent.name.as_str().to_owned());
        self.faults.push(Finding { position: Some(name.position), intent, problem });
    }
}

/// A file's bytes, of one that isn't too large.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    if path.exists() && !path.is_file() {
        return Err("it is no file".to_owned());
    }
    let read = File::open(path).and_then(|file| file.take(MAX_CATALOGUE + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("it can't be read: {error}"))?;
    match bytes.len() as u64 > MAX_CATALOGUE {
        true => Err(format!("it is larger than {} MiB", MAX_CATALOGUE >> 20)),
        false => Ok(bytes),
    }
}

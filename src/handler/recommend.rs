//! Handler `recommend`: what of a catalogue fits what the text says and names, and why.
//!
//! Bounds and values filter, the other words rank, and so does a column of the author's (`prior`). It has no answer where
//! nothing passes what was asked for.

#[cfg(test)]
mod tests;

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Map, Value, value::to_raw_value};

use super::{Answer, Handler, HandlerError, Job};
use crate::{
    catalogue::{Catalogue, Item, Order, Wish},
    domain::{Details, Entity, IntentName, Request, language},
    knowledge::{Knowledge, Passage},
};

/// What is added to a rank before ranks are joined: Cormack, Clarke and Büttcher 2009, "Reciprocal rank fusion".
const RANK_OFFSET: f64 = 60.0;
/// How much the author's column counts beside the words.
const PRIOR: f64 = 0.5;

/// A catalogue that can be searched.
#[derive(Debug)]
pub struct Shop {
    catalogue: Catalogue,
    index: Knowledge,
}

impl Shop {
    /// Indexes a catalogue. It blocks, for a third of a millisecond an item or so.
    pub fn new(catalogue: Catalogue) -> Self {
        let passage =
            |item: &Item| Passage { id: item.id.as_str().into(), text: catalogue.text(item), ..Passage::default() };
        let passages = catalogue.items().iter().map(passage).collect();
        Self { index: Knowledge::build(passages), catalogue }
    }

    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }
}

/// How items are chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// How many at the most.
    pub limit: usize,
    /// The column whose larger numbers go first among equals.
    pub prior: Option<String>,
    /// The column of which each value comes once.
    pub group: Option<String>,
}

/// Recommends what a catalogue has.
#[derive(Debug)]
pub struct Recommend {
    shop: Arc<Shop>,
    limit: usize,
    prior: Option<usize>,
    group: Option<usize>,
}

/// An item, as programs get it.
#[derive(Serialize)]
struct Recommended<'a> {
    id: &'a str,
    title: String,
    /// Which of its variants it is, where not all of them fit.
    #[serde(skip_serializing_if = "str::is_empty")]
    variant: &'a str,
    why: Vec<String>,
    values: Map<String, Value>,
    /// The lowest and the highest price of its variants, where they have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    prices: Option<(f64, f64)>,
}

impl Recommend {
    /// A handler of a shop's items.
    ///
    /// # Errors
    /// The setting whose column the catalogue doesn't have, or whose numbers it hasn't, in words.
    pub fn new(shop: Arc<Shop>, settings: &Settings) -> Result<Self, String> {
        let catalogue = shop.catalogue();
        let column = |key: &str, name: &Option<String>| {
            let Some(name) = name else { return Ok(None) };
            let names = catalogue.columns().iter().map(|column| format!("'{}'", column.name)).collect::<Vec<_>>();
            let missing =
                || format!("recommend.{key}: the catalogue has no column '{name}': there are {}", names.join(", "));
            catalogue.column(name).map(Some).ok_or_else(missing)
        };
        let (prior, group) = (column("prior", &settings.prior)?, column("group", &settings.group)?);
        if let Some(prior) = prior
            && catalogue.items().iter().all(|item| item.number(prior).is_none())
        {
            return Err(format!("recommend.prior: the column '{}' has no numbers", catalogue.name(prior)));
        }
        Ok(Self { prior, group, limit: settings.limit, shop })
    }

    /// The items that fit, best first.
    fn items(&self, wish: &Wish) -> Vec<&Item> {
        let catalogue = self.shop.catalogue();
        let mut items: Vec<(f64, usize)> = catalogue.passing(wish).into_iter().map(|at| (0.0, at)).collect();
        let passes: HashSet<usize> = items.iter().map(|(_, at)| *at).collect();
        // What is ranked by words: those that words find at all.
        let found = self.shop.index.search_among(&wish.rest, &|at| passes.contains(&at), items.len());
        let rank: HashMap<usize, usize> = found.into_iter().zip(0..).collect();
        let joined = |weight: f64, rank: usize| weight / (RANK_OFFSET + rank as f64);
        for (score, at) in &mut items {
            *score = rank.get(at).map_or(0.0, |&rank| joined(1.0, rank));
        }
        if let Some(prior) = self.prior {
            let number = |at: usize| catalogue.items()[at].number(prior).unwrap_or(f64::MIN);
            items.sort_by(|a, b| number(b.1).total_cmp(&number(a.1)).then(a.1.cmp(&b.1)));
            for (rank, (score, _)) in items.iter_mut().enumerate() {
                *score += joined(PRIOR, rank);
            }
        }
        items.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        if let Some(order) = wish.order {
            let shown = |at: usize| catalogue.price(catalogue.shown(wish, &catalogue.items()[at]));
            let prices: HashMap<usize, f64> = items.iter().filter_map(|&(_, at)| Some((at, shown(at)?.1))).collect();
            let price = |at: usize| prices.get(&at).copied();
            let by_price = |a: usize, b: usize| match (price(a), price(b)) {
                (Some(a), Some(b)) if order == Order::CheapestFirst => a.total_cmp(&b),
                (Some(a), Some(b)) => b.total_cmp(&a),
                (a, b) => b.is_some().cmp(&a.is_some()).then(Ordering::Equal),
            };
            // Whoever wants the cheapest hoodie doesn't want a belt, however cheap.
            let meant = self.shop.index.saying(&wish.goods(), &|at| passes.contains(&at));
            let meant: HashSet<usize> = meant.into_iter().collect();
            let is_meant = |at: usize| meant.contains(&at);
            items.sort_by(|a, b| is_meant(b.1).cmp(&is_meant(a.1)).then_with(|| by_price(a.1, b.1)));
        }
        // Whoever asks for one brand wants more than one thing of it.
        let is_named = |group: &usize| wish.named.iter().any(|named| named.wanted && named.columns.contains(group));
        let group = self.group.filter(|group| !is_named(group));
        let mut groups = HashSet::new();
        let once = |item: &&Item| group.is_none_or(|group| groups.insert(item.cell(group).to_lowercase()));
        items.into_iter().map(|(_, at)| &catalogue.items()[at]).filter(once).take(self.limit).collect()
    }

    fn recommended<'a>(&'a self, item: &'a Item, wish: &Wish, request: &Request, chinese: bool) -> Recommended<'a> {
        let catalogue = self.shop.catalogue();
        let title = |item: &'a Item| item.title(request.locale.as_deref(), &request.text);
        let whole = title(item);
        let item = catalogue.shown(wish, item);
        let variant = item.variant();
        // Some variants have titles that tell them apart.
        let title = match title(item) {
            title if title != whole || variant.is_empty() => title.to_owned(),
            title if chinese => format!("{title}（{variant}）"),
            title => format!("{title} ({variant})"),
        };
        let value = |at: usize| match item.number(at) {
            Some(number) => serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number),
            None => Value::from(item.cell(at)),
        };
        let filled = (0..catalogue.columns().len()).filter(|&at| !item.cell(at).is_empty());
        let values = filled.map(|at| (catalogue.name(at).to_owned(), value(at))).collect();
        let (why, prices) = (wish.why(catalogue, item, chinese), catalogue.prices_of(item));
        Recommended { id: &item.id, title, variant, why, values, prices }
    }
}

#[async_trait]
impl Handler for Recommend {
    fn name(&self) -> &'static str {
        "recommend"
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        let request = job.request;
        let wish = self.shop.catalogue().wish(&request.text, job.entities);
        let wish = match job.before {
            Some(before) => {
                let named = job.named_before.iter().map(Vec::as_slice).chain(std::iter::repeat(&[] as &[Entity]));
                let catalogue = self.shop.catalogue();
                let said = before.lines().zip(named).map(|(said, named)| catalogue.wish(said, named));
                said.fold(Wish::default(), Wish::then).then(wish)
            }
            None => wish,
        };
        let locale = request.locale.as_deref();
        let chinese = locale.or(language::language_of_script(&request.text)).is_some_and(|tag| tag.starts_with("zh"));
        let items: Vec<Recommended<'_>> =
            self.items(&wish).into_iter().map(|item| self.recommended(item, &wish, request, chinese)).collect();
        if items.is_empty() {
            return Ok(None);
        }
        let data = to_raw_value(&serde_json::json!({ "items": items })).map_err(|error| failed(job.intent, &error))?;
        let details = Details { data: Some(data), ..Details::default() };
        Ok(Some(Answer { text: shown(&items, chinese), locale: None, details, slots: Vec::new() }))
    }
}

/// A line an item: its title, and why.
fn shown(items: &[Recommended<'_>], chinese: bool) -> String {
    let line = |(number, item): (usize, &Recommended<'_>)| {
        let (before, between) = if chinese { ("：", "，") } else { (": ", ", ") };
        match item.why.is_empty() {
            true => format!("{number}. {}", item.title),
            false => format!("{number}. {}{before}{}", item.title, item.why.join(between)),
        }
    };
    (1..).zip(items).map(line).collect::<Vec<_>>().join("\n")
}

fn failed(intent: &IntentName, error: &serde_json::Error) -> HandlerError {
    HandlerError::Failed { intent: intent.clone(), reason: error.to_string() }
}

//! Which slots a text fills.
//!
//! **Invariant:** one span of the text fills one slot. The slot that is asked goes first, then the others in their order.

use super::{
    Slots,
    script::{Fills, Form, Slot},
};
use crate::domain::Entity;

/// A part of a text that can be a value.
struct Span {
    /// Which of the form's slots it can fill, by their places.
    fits: Vec<usize>,
    start: usize,
    end: usize,
    value: String,
}

/// The slots that change, with their new values. Free text isn't looked at.
pub(super) fn changes(
    form: &Form,
    asked: Option<&str>,
    slots: &Slots,
    entities: &[Entity],
    text: &str,
) -> Vec<(String, String)> {
    let mut spans = spans(form, entities, text);
    let mut changes = Vec::new();
    let has = |place: usize, span: &Span| slots.get(&form.slots[place].name) == Some(&*span.value);
    let asked = asked.and_then(|asked| form.slots.iter().position(|slot| slot.name == asked));
    let others: Vec<usize> = (0..form.slots.len()).filter(|place| Some(*place) != asked).collect();
    let of_one = |span: &Span, places: &[usize]| places.iter().any(|it| span.fits.contains(it) && has(*it, span));
    // Of several, one that says nothing new of another slot: "from Paris to London".
    let news = |spans: &[Span], place: usize, others: &[usize]| {
        let fitting = || spans.iter().enumerate().filter(|(_, span)| span.fits.contains(&place));
        fitting().find(|(_, span)| !of_one(span, others)).or(fitting().next()).map(|(at, _)| at)
    };
    if let Some(place) = asked {
        let at = news(&spans, place, &others);
        fill(form, place, at, &mut spans, &mut changes);
    }
    for (at, &place) in others.iter().enumerate() {
        let fitting: Vec<usize> = (0..spans.len()).filter(|at| spans[*at].fits.contains(&place)).collect();
        let alike = |other: &&usize| fitting.iter().any(|at| spans[*at].fits.contains(*other));
        let rest = others[at..].iter().filter(alike).count();
        let is_empty = slots.get(&form.slots[place].name).is_none();
        let chosen = if fitting.len() >= rest {
            fitting.first().copied()
        } else if is_empty {
            news(&spans, place, &others[at..])
        } else {
            // Of two slots of one kind, one value alone is the later one's, unless this one has it.
            fitting.into_iter().find(|at| has(place, &spans[*at]))
        };
        fill(form, place, chosen, &mut spans, &mut changes);
    }
    changes.retain(|(name, value)| slots.get(name) != Some(value));
    changes
}

fn fill(form: &Form, place: usize, span: Option<usize>, spans: &mut Vec<Span>, changes: &mut Vec<(String, String)>) {
    if let Some(at) = span {
        changes.push((form.slots[place].name.clone(), spans[at].value.clone()));
        taken(spans, at);
    }
}

/// Takes a span away, and what overlaps it.
fn taken(spans: &mut Vec<Span>, at: usize) {
    let (start, end) = (spans[at].start, spans[at].end);
    spans.retain(|span| span.end <= start || span.start >= end);
}

fn spans(form: &Form, entities: &[Entity], text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let of = |entity: &Entity, fits| Span { fits, start: entity.start, end: entity.end, value: entity.value.clone() };
    for entity in entities {
        let fits = |slot: &Slot| matches!(&slot.fills, Fills::Entity { name, .. } if *name == entity.name);
        let fits: Vec<usize> = (0..form.slots.len()).filter(|place| fits(&form.slots[*place])).collect();
        spans.extend((!fits.is_empty()).then(|| of(entity, fits)));
    }
    for (place, slot) in form.slots.iter().enumerate() {
        if let Fills::Choices(choices) = &slot.fills {
            spans.extend(choices.found(text).iter().map(|found| of(found, vec![place])));
        }
    }
    spans.sort_by_key(|span| span.start);
    spans
}

//! Which slots a text fills.
//!
//! **Invariant:** one span of the text fills one slot. What is denied ("not Paris but Rome") fills none: the slot that holds it
//! goes first. Nor does what the same text replaces ("Paris, no, Rome"). Then comes the slot that is asked, and then the others
//! in their order. Of several values for one slot that nothing tells apart ("a small large one") none is taken.

use std::ops::Range;

use super::{
    Slots,
    script::{Fills, Form, Slot, Steer},
    wording::Wording,
};
use crate::{domain::Entity, entity::words_of_day};

/// A part of a text that can be a value.
struct Span {
    /// Which of the form's slots it can fill, by their places.
    fits: Vec<usize>,
    start: usize,
    end: usize,
    value: String,
}

/// What a text says of a form's slots.
#[derive(Debug)]
pub(super) struct Said {
    /// The slots that change, with their new values.
    pub(super) changes: Vec<(String, String)>,
    /// Whether it is said so that it corrects, whatever else the text may mean.
    pub(super) corrects: bool,
    /// A yes or a no to what the slots hold, and to nothing else: "yes, FL1".
    pub(super) answer: Option<Steer>,
    /// It has what the slots hold, and nothing new.
    pub(super) repeats: bool,
    /// The slots that it has several new values for, and says not which.
    pub(super) unclear: Vec<Unclear>,
}

/// A slot that a text has several values for.
#[derive(Debug)]
pub(super) struct Unclear {
    pub(super) slot: String,
    pub(super) values: Vec<String>,
}

/// What a text says of a form's slots. Free text isn't looked at.
pub(super) fn said(form: &Form, asked: Option<&str>, slots: &Slots, entities: &[Entity], text: &str) -> Said {
    let wording = Wording::of(text);
    let spans = spans(form, entities, text);
    let values: Vec<Range<usize>> = spans.iter().map(|span| span.start..span.end).collect();
    let is_held = |span: &Span| span.fits.iter().any(|place| has(form, slots, *place, span));
    let repeats = !spans.is_empty() && spans.iter().all(is_held) && !wording.asks();
    let answer = if spans.iter().all(is_held) { wording.answer(&values) } else { None };
    let (denied, kept): (Vec<Span>, Vec<Span>) = spans.into_iter().partition(|span| wording.denies(span.start));
    let is_denied = !denied.is_empty();
    // A no that has a value of its own behind it: 不是 FL2.
    let (denied, kept) =
        if kept.is_empty() && !denied.iter().all(is_held) { (Vec::new(), denied) } else { (denied, kept) };
    let corrects = is_denied || wording.corrects(&values);
    let mut kept = without_replaced(kept, &wording);
    let unclear = unclear(form, slots, &mut kept, &wording);
    let changes = changes(form, asked, slots, &denied, kept);
    Said { changes, corrects, answer, repeats: repeats && !is_denied, unclear }
}

/// The slots that several spans are for that nothing tells apart, and no other slot can have; takes these spans away.
fn unclear(form: &Form, slots: &Slots, spans: &mut Vec<Span>, wording: &Wording) -> Vec<Unclear> {
    let mut unclear = Vec::new();
    for (place, slot) in form.slots.iter().enumerate() {
        let is_shared =
            |span: &Span| spans.iter().any(|it| it.fits != span.fits && it.start <= span.start && span.end <= it.end);
        let mut values: Vec<String> = Vec::new();
        let mut before: Option<&Span> = None;
        for span in spans.iter().filter(|span| span.fits == [place] && !is_shared(span)) {
            let is_known = has(form, slots, place, span) || values.iter().any(|it| is_same(Some(it), &span.value));
            if !is_known && !before.is_some_and(|before| is_one_day(before, span, wording)) {
                values.push(span.value.clone());
            }
            before = Some(span);
        }
        if values.len() > 1 {
            spans.retain(|span| span.fits != [place]);
            unclear.push(Unclear { slot: slot.name.clone(), values });
        }
    }
    unclear
}

/// Whether two values side by side say one day in two ways: "Friday, 4 December", 明天周五.
fn is_one_day(first: &Span, next: &Span, wording: &Wording) -> bool {
    #[derive(PartialEq)]
    enum Way {
        Date,
        Relative,
        /// A listed value, such as a day of the week.
        Listed,
    }
    let way = |value: &str| {
        let mut parts = value.trim_start_matches('-').split('-');
        let is_date = value.contains('-') && parts.all(|part| part.parse::<u16>().is_ok());
        match (is_date, words_of_day(value)) {
            (true, _) => Way::Date,
            (false, Some(_)) => Way::Relative,
            (false, None) => Way::Listed,
        }
    };
    let (first_way, next_way) = (way(&first.value), way(&next.value));
    first_way != next_way && wording.stand_together(first.end, next.start)
}

/// Without the values that another of the same text replaces.
fn without_replaced(spans: Vec<Span>, wording: &Wording) -> Vec<Span> {
    let mut kept: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        let is_before = |it: &Span| it.fits == span.fits && it.end <= span.start;
        if let Some(at) = kept.iter().rposition(is_before)
            && wording.replaces(&(kept[at].start..kept[at].end), span.start, span.fits.len() == 1)
        {
            kept.remove(at);
        }
        kept.push(span);
    }
    kept
}

/// The slots that change, with their new values, by the parts of a text.
fn changes(
    form: &Form,
    asked: Option<&str>,
    slots: &Slots,
    denied: &[Span],
    mut spans: Vec<Span>,
) -> Vec<(String, String)> {
    let mut changes = Vec::new();
    let has = |place: usize, span: &Span| has(form, slots, place, span);
    let asked = asked.and_then(|asked| form.slots.iter().position(|slot| slot.name == asked));
    let is_denied = |place: &usize| denied.iter().any(|span| span.fits.contains(place) && has(*place, span));
    let (wrong, others): (Vec<usize>, Vec<usize>) =
        (0..form.slots.len()).filter(|place| Some(*place) != asked).partition(is_denied);
    for place in wrong {
        let at = spans.iter().position(|span| span.fits.contains(&place));
        fill(form, place, at, &mut spans, &mut changes);
    }
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
        let is_alone = (0..form.slots.len()).filter(|it| *it != place).all(|it| !alike(&&it));
        let chosen = if is_alone {
            // Of several, one that it doesn't hold already: "FL1 is wrong, it's FL2".
            fitting.iter().find(|at| !has(place, &spans[**at])).or(fitting.first()).copied()
        } else if fitting.len() >= rest {
            fitting.first().copied()
        } else if is_empty {
            news(&spans, place, &others[at..])
        } else {
            // Of two slots of one kind, one value alone is the later one's, unless this one has it.
            fitting.into_iter().find(|at| has(place, &spans[*at]))
        };
        fill(form, place, chosen, &mut spans, &mut changes);
    }
    changes.retain(|(name, value)| !is_same(slots.get(name), value));
    changes
}

/// Whether a slot holds what a part of the text says.
fn has(form: &Form, slots: &Slots, place: usize, span: &Span) -> bool {
    is_same(slots.get(&form.slots[place].name), &span.value)
}

/// Capital letters make no difference.
fn is_same(held: Option<&str>, value: &str) -> bool {
    held.is_some_and(|held| held.eq_ignore_ascii_case(value))
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
    // What is part of a longer value isn't said by itself: "large" of "large family".
    let ranges: Vec<Range<usize>> = spans.iter().map(|span| span.start..span.end).collect();
    let is_within = |span: &Span, it: &Range<usize>| {
        it.start <= span.start && span.end <= it.end && it.len() > span.end.saturating_sub(span.start)
    };
    spans.retain(|span| !ranges.iter().any(|it| is_within(span, it)));
    spans.sort_by_key(|span| span.start);
    spans
}

#[cfg(test)]
mod tests;

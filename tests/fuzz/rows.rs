//! The body of the fuzz target of the scanner of imported files; a property test runs this body as well.
//! However a file is read, in every shape the same rows come out, in their order, and reading on behind any
//! of them gives the rest.

use super::{Scanner, Shape, Span, Window};

pub(crate) const SHAPES: [Shape; 6] =
    [Shape::Lines, Shape::Json, Shape::Csv, Shape::Semicolons, Shape::Framed, Shape::Whole];

/// The first byte says how much is read at a time; the rest is the file.
pub(crate) fn bytes(data: &[u8]) {
    let Some((size, file)) = data.split_first() else { return };
    rows(file, usize::from(*size).max(1));
}

pub(crate) fn rows(file: &[u8], size: usize) {
    for shape in SHAPES {
        let whole = scan(Scanner::new(shape, 0, false), file, 0, file.len().max(1));
        let spans: Vec<Span> = whole.iter().map(|(span, ..)| *span).collect();
        let mut end = 0;
        for span in &spans {
            assert!(end <= span.start && span.start <= span.end && span.end <= file.len() as u64);
            end = span.end;
        }
        assert_eq!(scan(Scanner::new(shape, 0, false), file, 0, size), whole, "{shape:?}");
        // Some of them, because each reads all that is left.
        for (at, (_, from, list)) in whole.iter().enumerate().step_by(whole.len() / 8 + 1) {
            let rest = scan(Scanner::new(shape, *from, *list), file, *from, size);
            let rest: Vec<Span> = rest.into_iter().map(|(span, ..)| span).collect();
            assert_eq!(rest, spans[at + 1..], "{shape:?} from {from}");
        }
    }
}

/// Each row, and where and how a reading goes on behind it.
fn scan(mut scanner: Scanner, file: &[u8], from: u64, size: usize) -> Vec<(Span, u64, bool)> {
    let (mut found, mut end) = (Vec::new(), from as usize);
    loop {
        let base = scanner.keep_from();
        assert!(base <= end as u64 && scanner.at() <= end as u64, "it looked at what was not read");
        end = end.saturating_add(size).min(file.len());
        let window = Window { bytes: &file[base as usize..end], base };
        while let Some(span) = scanner.next(&window, end == file.len()) {
            assert_eq!(window.slice(span), &file[span.start as usize..span.end as usize]);
            found.push((span, scanner.keep_from(), scanner.in_list()));
        }
        if end == file.len() {
            return found;
        }
    }
}

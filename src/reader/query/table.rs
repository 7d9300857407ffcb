//! A table as wide as the terminal, in memory that does not grow with it.

use crate::reader::print::{fitted, visible, width};

/// Rows that are looked at before widths are settled.
const SAMPLE: usize = 200;
/// Cells that a column takes at most, unless there is room.
const WIDE: usize = 60;
/// Cells that a column keeps where there is no room.
const NARROW: usize = 6;
/// Blanks between columns.
const BETWEEN: usize = 2;

/// Takes rows, and gives lines.
#[derive(Debug)]
pub(super) struct Table {
    head: Vec<String>,
    /// Cells of a line; without, columns are as wide as they are.
    room: Option<usize>,
    sample: Vec<Vec<String>>,
    widths: Vec<usize>,
}

impl Table {
    #[must_use]
    pub(super) fn new(head: Vec<String>, room: Option<usize>) -> Self {
        Self { head, room, sample: Vec::new(), widths: Vec::new() }
    }

    /// Takes a row, and appends the lines that can be told by now.
    pub(super) fn push(&mut self, row: Vec<String>, out: &mut Vec<u8>) {
        let row: Vec<String> = row.into_iter().map(|cell| visible(&cell).into_owned()).collect();
        if !self.widths.is_empty() {
            return self.line(&row, out);
        }
        self.sample.push(row);
        if self.sample.len() == SAMPLE {
            self.flush(out);
        }
    }

    /// Appends what has not been told yet: at the end, and where nobody knows when the next row comes.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        if self.sample.is_empty() {
            return;
        }
        self.widths = self.settled();
        let head = std::mem::take(&mut self.head);
        self.line(&head, out);
        for row in std::mem::take(&mut self.sample) {
            self.line(&row, out);
        }
    }

    fn settled(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.head.iter().map(|cell| width(cell)).collect();
        for row in &self.sample {
            for (wide, cell) in widths.iter_mut().zip(row) {
                *wide = (*wide).max(width(cell)).min(WIDE);
            }
        }
        let Some(room) = self.room else { return widths };
        let between = BETWEEN * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + between > room
            && let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > NARROW)
        {
            *widest -= 1;
        }
        widths
    }

    fn line(&self, row: &[String], out: &mut Vec<u8>) {
        let mut text = String::new();
        for (at, (cell, wide)) in row.iter().zip(&self.widths).enumerate() {
            text.push_str(if at > 0 { "  " } else { "" });
            fitted(cell, *wide, &mut text);
        }
        out.extend_from_slice(text.trim_end().as_bytes());
        out.push(b'\n');
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn table(room: Option<usize>, rows: &[[&str; 2]]) -> String {
        let mut table = Table::new(vec!["name".into(), "what".into()], room);
        let mut out = Vec::new();
        for row in rows {
            table.push(row.map(str::to_owned).to_vec(), &mut out);
        }
        table.flush(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_fit_their_content_and_the_terminal() {
        assert_eq!(
            table(None, &[["a", "b"], ["long one", "\u{1b}[2J"]]),
            "name      what\na         b\nlong one  \\u{1b}[2J\n"
        );
        let long = "x".repeat(200);
        let lines = table(Some(40), &[[&long, &long], ["a", "b"]]);
        assert!(lines.lines().all(|line| width(line) <= 40), "{lines}");
        assert_eq!(table(None, &[]), "");
    }

    #[test]
    fn rows_behind_the_sample_are_told_at_once() {
        let mut table = Table::new(vec!["n".into()], None);
        let mut out = Vec::new();
        for n in 0..SAMPLE + 5 {
            table.push(vec![n.to_string()], &mut out);
        }
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1 + SAMPLE + 5);
        assert!(table.sample.is_empty());
    }
}

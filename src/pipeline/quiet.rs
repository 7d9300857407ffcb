//! A log that no sender can fill: one line says the same at most once a minute.

use std::collections::HashMap;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(60);

/// Lines that are remembered. Beyond them the oldest may come again early.
const LINES: usize = 256;

/// When each line was said last, and how often it was left out since.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    said: HashMap<String, (Instant, u64)>,
}

impl Quiet {
    /// Lets `log` say the line if it was not said within the last minute. `log` is told how often the
    /// line was left out since it was said last.
    pub(crate) fn say(&mut self, line: &str, log: impl FnOnce(u64)) {
        self.say_at(line, Instant::now(), log);
    }

    fn say_at(&mut self, line: &str, now: Instant, log: impl FnOnce(u64)) {
        if let Some((at, left_out)) = self.said.get_mut(line) {
            if now.duration_since(*at) < PAUSE {
                *left_out += 1;
                return;
            }
            log(std::mem::take(left_out));
            *at = now;
            return;
        }
        if self.said.len() >= LINES {
            let oldest = self.said.iter().min_by_key(|(_, (at, _))| *at).map(|(line, _)| line.clone());
            oldest.and_then(|line| self.said.remove(&line));
        }
        self.said.insert(line.to_owned(), (now, 0));
        log(0);
    }
}

/// The same, of lines that senders have a word in: so many in a minute, over all of them.
#[derive(Debug)]
pub(crate) struct Rationed {
    quiet: Quiet,
    most: u32,
    /// When the minute began, and the lines since.
    minute: Option<(Instant, u32)>,
}

impl Rationed {
    pub(crate) fn new(most: u32) -> Self {
        Self { quiet: Quiet::default(), most, minute: None }
    }

    /// As [`Quiet::say`], if the minute has a line left.
    pub(crate) fn say(&mut self, line: &str, log: impl FnOnce(u64)) {
        self.say_at(line, Instant::now(), log);
    }

    fn say_at(&mut self, line: &str, now: Instant, log: impl FnOnce(u64)) {
        let minute = self.minute.filter(|(since, _)| now.duration_since(*since) < PAUSE);
        let (since, lines) = minute.unwrap_or((now, 0));
        let mut said = lines;
        if lines < self.most {
            self.quiet.say_at(line, now, |left_out| {
                said += 1;
                log(left_out);
            });
        }
        self.minute = Some((since, said));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_once_a_minute_and_tells_how_often_it_did_not() {
        let mut quiet = Quiet::default();
        let start = Instant::now();
        let mut said = Vec::new();
        for second in 0..130 {
            for line in ["a", "b"] {
                quiet.say_at(line, start + Duration::from_secs(second), |again| {
                    said.push((line, second, again));
                });
            }
        }
        let of_a: Vec<_> =
            said.iter().filter(|(line, ..)| *line == "a").map(|(_, at, again)| (*at, *again)).collect();
        assert_eq!((of_a, said.len()), (vec![(0, 0), (60, 59), (120, 59)], 6));
    }

    #[test]
    fn made_up_lines_take_no_more_memory() {
        let mut quiet = Quiet::default();
        (0..10 * LINES).for_each(|n| quiet.say(&n.to_string(), |_| ()));
        assert_eq!(quiet.said.len(), LINES);
    }

    #[test]
    fn a_minute_has_so_many_lines_whatever_they_say() {
        let mut rationed = Rationed::new(2);
        let start = Instant::now();
        let mut said = |line: &str, after: u64| {
            let mut told = false;
            rationed.say_at(line, start + Duration::from_secs(after), |_| told = true);
            told
        };
        assert!(said("a", 0) && !said("a", 1) && said("b", 2) && !said("c", 3));
        assert!(said("c", 61) && said("a", 62) && !said("d", 63));
    }
}

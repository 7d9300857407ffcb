//! What an instance would make of a file's lines, for who wants to see it without sealing any.

use super::discover::Finder;
use super::settings::Settings;
use super::source::{Facts, Inode, is_packed};
use crate::receivers::lines::manner::{FormatOf, Manner, Requests};
use crate::receivers::lines::names::log_path;
use crate::receivers::lines::read::{Log, Reader, Told};
use crate::receivers::lines::split::{Lines, Mark, Splitter};
use halo_adapters::gateway::Format;
use halod_record::event::Event;
use halod_record::tenant::Tenant;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

pub use crate::receivers::lines::read::Became;

/// A file as an instance has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// The path by which the instance found the file.
    pub path: PathBuf,
    pub packed: bool,
}

/// One line, and what it becomes.
#[derive(Debug)]
pub struct Seen<'a> {
    /// Its number, and where it begins in the content.
    pub number: u64,
    pub offset: u64,
    /// It is longer than `max_log_size`.
    pub cut: bool,
    pub became: Became<'a>,
    /// The record that a filtered line would have become.
    pub request: Option<(&'a Event<'a>, &'a Tenant)>,
}

/// Reads the content of one log exactly as an instance does.
#[derive(Debug)]
pub struct Preview {
    reader: Reader,
    /// The same without rules.
    every: Reader,
    log: String,
    splitter: Splitter,
    /// Lines that wait until the format is known.
    waiting: Lines,
    told: Option<Format>,
}

/// The file as an instance of these settings follows it; `None` if it does not.
#[must_use]
pub fn followed(settings: &Settings, file: &Path) -> Option<Followed> {
    let inode = Facts::from(&fs::metadata(file).ok()?).inode;
    let look = Finder::new(&settings.include, &settings.exclude, settings.packed).look();
    let found = look.files.into_iter().find(|found| found.facts.inode == inode)?;
    Some(Followed { packed: is_packed(&found.path), path: found.path })
}

/// Which logs the receivers of a configuration follow now, and how they read them.
#[derive(Debug)]
pub struct Following {
    settings: Vec<Settings>,
    files: HashMap<Inode, (usize, PathBuf)>,
    logs: HashMap<String, usize>,
}

impl Following {
    /// Looks for the receivers' files. Of several receivers that follow one, the first counts.
    #[must_use]
    pub fn new(settings: Vec<Settings>) -> Self {
        let (mut files, mut logs) = (HashMap::new(), HashMap::new());
        for (at, one) in settings.iter().enumerate() {
            for found in Finder::new(&one.include, &one.exclude, one.packed).look().files {
                logs.entry(log_path(&found.path)).or_insert(at);
                files.entry(found.facts.inode).or_insert((at, found.path));
            }
        }
        Self { settings, files, logs }
    }

    /// How the lines of a file are read if it is followed, or belongs to a log that is; and the path that the
    /// receiver has it by.
    #[must_use]
    pub fn find(&self, file: &Path) -> Option<(Manner, PathBuf)> {
        let inode = Facts::from(&fs::metadata(file).ok()?).inode;
        let (at, path) = match self.files.get(&inode) {
            Some((at, path)) => (*at, path.clone()),
            None => {
                let path = std::path::absolute(file).ok()?;
                (*self.logs.get(&log_path(&path))?, path)
            }
        };
        self.settings.get(at).map(|settings| (settings.manner(), path))
    }
}

impl Preview {
    /// A preview of the log that `file` belongs to.
    ///
    /// # Errors
    /// Which setting makes no sense, and why.
    pub fn new(manner: Manner, file: &Path) -> Result<Self, (&'static str, String)> {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        Ok(Self {
            splitter: Splitter::new(Mark::default(), manner.max_line).after_lines(1),
            every: Reader::new(Manner { requests: Requests::All, ..manner.clone() })?,
            reader: Reader::new(manner)?,
            log: log_path(&file),
            waiting: Lines::default(),
            told: None,
        })
    }

    /// Takes the next bytes of the content, and shows the lines that they complete.
    pub fn push(&mut self, block: &[u8], see: &mut dyn FnMut(Seen<'_>)) {
        let mut lines = std::mem::take(&mut self.waiting);
        self.splitter.push(block, &mut lines);
        if Told::by(self.told, &self.reader, &lines).waits(&self.reader, self.splitter.position()) {
            self.waiting = lines;
        } else {
            self.see(&lines, see);
        }
    }

    /// Takes what there is of a line as a whole one: the content has ended.
    pub fn finish(&mut self, see: &mut dyn FnMut(Seen<'_>)) {
        let mut lines = std::mem::take(&mut self.waiting);
        self.splitter.finish(&mut lines);
        self.see(&lines, see);
    }

    /// How far the content was taken.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.splitter.position()
    }

    /// The format, if it is configured or the lines up to here have told it.
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        match &self.reader.manner().format {
            FormatOf::Auto => self.told,
            FormatOf::Known(format) => Some(*format),
            FormatOf::Json(_) => Some(Format::Json),
            FormatOf::Regex(_) => Some(Format::Regex),
        }
    }

    fn see(&mut self, lines: &Lines, see: &mut dyn FnMut(Seen<'_>)) {
        let told = Told::by(self.told, &self.reader, lines);
        self.told = told.format;
        let [log, every]: [Log<'_>; 2] = [&self.reader, &self.every].map(|one| one.log(&self.log));
        for (at, (line, bytes)) in lines.range(0..lines.len()).enumerate() {
            let (number, offset, cut, told) = (line.number, line.offset, line.cut > 0, told.at(at));
            log.line(told, line, bytes, |became| match became {
                Became::Filtered => every.line(told, line, bytes, |unruled| {
                    let request = match unruled {
                        Became::Action(event, tenant) => Some((event, tenant)),
                        _ => None,
                    };
                    see(Seen { number, offset, cut, became: Became::Filtered, request });
                }),
                became => see(Seen { number, offset, cut, became, request: None }),
            });
        }
    }
}

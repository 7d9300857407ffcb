use halo_adapters::event::*;
use halo_adapters::unusable::Unusable;
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> { pub file: &'a str, pub identity: &'a [&'a str], pub offset: u64 }
#[derive(Clone, Debug, PartialEq)]
pub enum Line<'a> { Event(Box<Event<'a>>), Filtered, Preamble }
#[derive(Debug)]
pub struct Reader;
impl Reader {
    pub fn line<'a>(&self, line: &'a [u8], place: &Place<'a>) -> Result<Line<'a>, Unusable> {
        if line.is_empty() { return Ok(Line::Preamble) }
        let text = std::str::from_utf8(line).map_err(|_| Unusable::new("", "not UTF-8"))?;
        let id = place.identity.iter().map(|p| p.to_string().into()).collect();
        Ok(Line::Event(Box::new(Event {
            action: Action::Request { tool: text.into(), model: None }, agent: Agent::default(), session: None, principal: None,
            tenant: None, input: Content::Undisclosed,
            outcome: Outcome { status: Status::Ok, result: Content::Undisclosed, error_type: None, error_text: None },
            authorization: None, origin: Origin::Keyed(Keyed { space: "gateway", id, parent: None }), started: None, ended: None,
            usage: Usage::default(), source: Source { adapter: "gateway", via: "x", dialect: "x", mapping: "1" }, dropped: 0,
            trace_flags: None, facts: vec![("file", Fact::Label(place.file.into())), ("offset", Fact::Number(place.offset))],
        })))
    }
}

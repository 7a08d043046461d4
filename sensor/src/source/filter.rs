//! `--bpf`: libpcap's filter language, compiled once for each link type that occurs.

use pcap::{BpfProgram, Capture, Linktype};

use crate::fault::Fault;

/// A filter expression and its programs.
pub struct Filter {
    expression: String,
    /// By link type number, as in capture files; none where the expression makes no sense for the link.
    programs: Vec<(u32, Option<BpfProgram>)>,
}

impl Filter {
    const ETHERNET: u32 = 1;

    /// Checks `expression` by compiling it for Ethernet.
    ///
    /// # Errors
    /// libpcap does not accept the expression; its own words are in the message.
    pub fn new(expression: &str) -> Result<Self, Fault> {
        let program = compile(expression, Self::ETHERNET).map_err(|e| {
            Fault::Usage(format!("--bpf {expression:?}: {e}; see `man pcap-filter` for the language"))
        })?;
        Ok(Self { expression: expression.to_owned(), programs: vec![(Self::ETHERNET, Some(program))] })
    }

    /// Whether the frame is to be kept. A link type for which the expression makes no sense keeps nothing.
    pub fn keeps(&mut self, link: u32, bytes: &[u8]) -> bool {
        let index = self.programs.iter().position(|(known, _)| *known == link).unwrap_or_else(|| {
            self.programs.push((link, compile(&self.expression, link).ok()));
            self.programs.len() - 1
        });
        self.programs[index].1.as_ref().is_some_and(|program| program.filter(bytes))
    }
}

fn compile(expression: &str, link: u32) -> Result<BpfProgram, pcap::Error> {
    Capture::dead(Linktype(link.cast_signed()))?.compile(expression, true)
}

//! `taphound top`: the running sensor on one screen, looked at again every second.

use std::collections::VecDeque;
use std::time::Duration;

use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Sparkline, Table};
use serde_json::{Value, json};

use crate::control::client::Client;
use crate::fault::Fault;
use crate::status::{Health, Status, bytes, count, short, span};

/// Seconds of history that are drawn.
const HISTORY: usize = 120;
/// Alerts shown.
const ALERTS: usize = 12;

/// What is on the screen.
#[derive(Default)]
struct Screen {
    status: Status,
    alerts: Vec<Value>,
    packets: VecDeque<u64>,
    /// The sensor does not answer.
    fault: Option<String>,
}

/// Draws until `q`, or for `frames` looks when given (for use in scripts, without a terminal: prints text then).
///
/// # Errors
/// No sensor answers, or the terminal cannot be drawn on.
pub fn run(mut client: Client, frames: Option<u32>) -> Result<(), Fault> {
    let mut screen = Screen::default();
    screen.look(&mut client)?;
    if let Some(frames) = frames {
        return plain(&mut screen, &mut client, frames);
    }
    let mut terminal = ratatui::try_init().map_err(|e| {
        Fault::Io(format!(
            "the terminal cannot be drawn on ({e}); use `taphound status`, or `top --frames 1`"
        ))
    })?;
    let outcome = loop {
        if let Err(e) = terminal.draw(|frame| screen.draw(frame)) {
            break Err(Fault::writing("the terminal", &e));
        }
        match event::poll(Duration::from_secs(1)) {
            Ok(true) => match event::read() {
                Ok(Event::Key(key)) if matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) => break Ok(()),
                Ok(_) => {}
                Err(e) => break Err(Fault::writing("the terminal", &e)),
            },
            Ok(false) => screen.look_again(&mut client),
            Err(e) => break Err(Fault::writing("the terminal", &e)),
        }
    };
    ratatui::restore();
    outcome
}

/// The same screen as text, for whoever has no terminal.
fn plain(screen: &mut Screen, client: &mut Client, frames: u32) -> Result<(), Fault> {
    for n in 0..frames {
        if n > 0 {
            std::thread::sleep(Duration::from_secs(1));
            screen.look(client)?;
        }
        let backend = ratatui::backend::TestBackend::new(110, 32);
        let mut terminal = ratatui::Terminal::new(backend)
            .map_err(|e| Fault::Software(format!("a screen of text cannot be made: {e}")))?;
        let _ = terminal.draw(|frame| screen.draw(frame));
        crate::report::print(&format!("{}\n", terminal.backend()))?;
    }
    Ok(())
}

impl Screen {
    fn look(&mut self, client: &mut Client) -> Result<(), Fault> {
        let status = client.ask("status", Value::Null)?;
        self.status = serde_json::from_value(status).map_err(|e| {
            Fault::Unavailable(format!(
                "the sensor's answer cannot be understood ({e}); use the same release"
            ))
        })?;
        let alerts = client.ask("alerts", json!({"limit": ALERTS}))?;
        self.alerts = alerts["items"].as_array().cloned().unwrap_or_default();
        if self.packets.len() == HISTORY {
            self.packets.pop_front();
        }
        self.packets.push_back(self.status.traffic.packets_per_second as u64);
        self.fault = None;
        Ok(())
    }

    /// A sensor that does not answer for a while is no reason to leave.
    fn look_again(&mut self, client: &mut Client) {
        if let Err(fault) = self.look(client) {
            self.fault = Some(fault.to_string());
        }
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let sources = self.status.sources.len() as u16 + 3;
        let complaints = self.status.reasons.len() as u16 + u16::from(self.fault.is_some());
        let [head, wire, from, what, alerts] = Layout::vertical([
            Constraint::Length(1 + complaints),
            Constraint::Length(6),
            Constraint::Length(sources),
            Constraint::Length(5),
            Constraint::Min(4),
        ])
        .areas(frame.area());
        frame.render_widget(self.head(), head);
        let traffic = &self.status.traffic;
        let title = format!(
            " {} packets/s   {} bit/s   {} flows/s   {} flows held ",
            short(traffic.packets_per_second),
            short(traffic.bits_per_second),
            short(traffic.flows_per_second),
            count(traffic.flows_active)
        );
        let bars: Vec<u64> = self.packets.iter().copied().collect();
        frame.render_widget(
            Sparkline::default().block(Block::bordered().title(title)).data(bars).style(Style::new().cyan()),
            wire,
        );
        frame.render_widget(self.sources(), from);
        frame.render_widget(self.inside(), what);
        frame.render_widget(self.alerts(), alerts);
    }

    fn head(&self) -> Paragraph<'_> {
        let s = &self.status;
        let colour = match s.health {
            Health::Ok => Color::Green,
            Health::Degraded => Color::Yellow,
            Health::Critical => Color::Red,
        };
        let up = span(s.now_us.saturating_sub(s.started_us));
        let mut lines = vec![Line::from(vec![
            format!("taphound {} ", s.version).bold(),
            format!("{} ", s.sensor_id).into(),
            s.health.as_str().fg(colour).bold(),
            format!(
                "  up {up}  model {}  {} alerts  {} incidents",
                s.model.version,
                count(s.traffic.alerts),
                count(s.traffic.incidents)
            )
            .into(),
        ])];
        lines.extend(s.reasons.iter().map(|reason| Line::from(format!("! {reason}")).fg(colour)));
        lines.extend(self.fault.iter().map(|fault| Line::from(format!("! {fault}")).red()));
        Paragraph::new(Text::from(lines))
    }

    fn sources(&self) -> Table<'_> {
        let rows = self.status.sources.iter().map(|s| {
            Row::new([
                Cell::from(s.name.clone()),
                Cell::from(s.state.clone()),
                Cell::from(count(s.received)),
                Cell::from(count(s.kernel_dropped)),
                Cell::from(count(s.interface_dropped)),
                Cell::from(s.one_way_share.map_or(String::new(), |share| format!("{:.0} %", share * 100.0))),
            ])
        });
        let widths = [
            Constraint::Min(14),
            Constraint::Length(8),
            Constraint::Length(16),
            Constraint::Length(14),
            Constraint::Length(14),
            Constraint::Length(9),
        ];
        Table::new(rows, widths)
            .header(Row::new(["source", "state", "packets", "kernel drops", "card drops", "one-way"]).bold())
            .block(Block::bordered())
    }

    fn inside(&self) -> Paragraph<'_> {
        let s = &self.status;
        let slow: Vec<String> = s
            .latency
            .iter()
            .map(|stage| format!("{} {:.0}/{:.0} us", stage.stage, stage.p50_us, stage.p99_us))
            .collect();
        let rows: Vec<String> =
            s.store.rows.iter().map(|(class, n)| format!("{} {class}", count(*n))).collect();
        Paragraph::new(vec![
            Line::from(format!(
                "store     {}, log {}, {} waiting: {}",
                bytes(s.store.bytes),
                bytes(s.store.wal_bytes),
                s.store.queued,
                rows.join(", ")
            )),
            Line::from(format!("stages    p50/p99 {}", slow.join(", "))),
            Line::from(format!(
                "process   {}, {:.1} CPU s, {} threads",
                bytes(s.host.rss_bytes),
                s.host.cpu_seconds,
                s.host.threads
            )),
        ])
        .block(Block::bordered())
    }

    fn alerts(&self) -> Table<'_> {
        let text = |alert: &Value, field: &str| match &alert[field] {
            Value::String(text) => text.clone(),
            Value::Null => "many".to_owned(),
            other => other.to_string(),
        };
        let rows = self.alerts.iter().map(|alert| {
            let age = self.status.now_us.saturating_sub(alert["last_us"].as_u64().unwrap_or(0));
            Row::new([
                format!("{} ago", span(age)),
                text(alert, "category"),
                alert["score"].as_f64().map_or(String::new(), |score| format!("{score:.2}")),
                text(alert, "src_ip"),
                text(alert, "dst_ip"),
                text(alert, "dst_port"),
                alert["reasons"].get(0).and_then(Value::as_str).unwrap_or("").to_owned(),
            ])
        });
        let widths = [
            Constraint::Length(14),
            Constraint::Length(13),
            Constraint::Length(5),
            Constraint::Length(16),
            Constraint::Length(16),
            Constraint::Length(6),
            Constraint::Min(20),
        ];
        Table::new(rows, widths)
            .header(Row::new(["last alerts", "category", "score", "from", "to", "port", "why"]).bold())
            .block(Block::bordered().title(" q leaves "))
    }
}

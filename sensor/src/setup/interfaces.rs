//! Which interfaces this machine has, and what speaks for or against watching each.

use std::path::Path;

use super::below;

/// An interface as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) name: String,
    /// `up`, `down`, `unknown`, ...
    pub(super) state: String,
    /// Megabits a second, when the link says.
    pub(super) speed: Option<u64>,
    /// The way to everywhere else leads through it.
    pub(super) has_default_route: bool,
    /// Not a network card: a bridge, a tunnel, a container's end.
    pub(super) is_virtual: bool,
}

/// Those of the machine whose file system begins at `root`, by name; the loopback is left out.
pub(super) fn present(root: &Path) -> Vec<Interface> {
    let folder = below(root, "/sys/class/net");
    let routes = std::fs::read_to_string(below(root, "/proc/net/route")).unwrap_or_default();
    let mut found: Vec<Interface> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name != "lo" && folder.join(name).join("operstate").exists())
        .map(|name| {
            let read =
                |file: &str| std::fs::read_to_string(folder.join(&name).join(file)).unwrap_or_default();
            Interface {
                state: read("operstate").trim().to_owned(),
                // Without a link it is -1, or cannot be read.
                speed: read("speed").trim().parse().ok(),
                has_default_route: has_default_route(&routes, &name),
                is_virtual: !folder.join(&name).join("device").exists(),
                name,
            }
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// `/proc/net/route`: name, destination and mask in hexadecimal, of which the default has zeros.
fn has_default_route(routes: &str, name: &str) -> bool {
    routes.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.first() == Some(&name)
            && fields.get(1) == Some(&"00000000")
            && fields.get(7) == Some(&"00000000")
    })
}

impl Interface {
    /// A line for whoever chooses.
    pub(super) fn describe(&self) -> String {
        let mut facts = vec![self.state.clone()];
        facts.extend(self.speed.map(|speed| format!("{speed} Mbit/s")));
        facts.extend(self.is_virtual.then(|| "virtual".to_owned()));
        facts.extend(self.has_default_route.then(|| "this machine's own traffic (default route)".to_owned()));
        format!("  {:<15} {}", self.name, facts.join(", "))
    }

    /// What whoever chose it may not have meant.
    pub(super) fn remark(&self) -> Option<String> {
        if self.has_default_route {
            return Some(format!(
                "{} carries this machine's own traffic; a tap or mirror port usually carries none",
                self.name
            ));
        }
        (self.state == "down").then(|| format!("{0} is down: `ip link set {0} up`", self.name))
    }
}

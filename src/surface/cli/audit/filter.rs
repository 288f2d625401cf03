//! Which records a verb is about.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

use crate::store::{Field, Query};

/// Which records are meant. Several conditions all have to hold.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which records")]
pub(super) struct Filter {
    /// From this time on: 2026-11-22T10:00:00Z, 2026-11-22 (UTC), or so long ago: 90m, 24h, 7d.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// On behalf of this user; of a read of the log, by them.
    #[arg(long)]
    user: Option<String>,
    /// Of this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// By this agent.
    #[arg(long)]
    agent: Option<String>,
    /// About this tool.
    #[arg(long)]
    tool: Option<String>,
    /// Of this session.
    #[arg(long)]
    session: Option<String>,
    /// Decided so: allow, ask or deny.
    #[arg(long, value_parser = ["allow", "ask", "deny"])]
    decision: Option<String>,
    /// At this stage: access, input, `tool_call`, `tool_result` or output.
    #[arg(long, value_parser = ["access", "input", "tool_call", "tool_result", "output"])]
    stage: Option<String>,
    /// In which this rule matched or decided, as pack/rule; may be given several times.
    #[arg(long)]
    rule: Vec<String>,
    /// In which a rule with this tag matched; may be given several times.
    #[arg(long)]
    tag: Vec<String>,
    /// That this policy decided, waived, or would have decided.
    #[arg(long)]
    policy: Option<String>,
    /// In which this policy waived what a rule asked for.
    #[arg(long, value_name = "POLICY")]
    waiver: Option<String>,
    /// In which this policy would have decided, were it not in shadow.
    #[arg(long, value_name = "POLICY")]
    shadow: Option<String>,
    /// With a reason of this code, as nothing-permits.
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// Of this kind: verdict, start, stop, `bundle_loaded`, `bundle_refused`, `bundle_returned`, `candidate_loaded`, `candidate_ended`,
    /// `log_read`, `security_event`, approval, reveal, hold, release, `retention_batch`, `retention_run`, `records_removed`, erasure,
    /// `access_request`, `key_rotation` or `session_end`.
    #[arg(long)]
    kind: Option<String>,
    /// With something special: edited, waived, shadow, approved, or candidate (that one would have decided otherwise).
    #[arg(long, value_parser = ["edited", "waived", "shadow", "approved", "candidate"])]
    mark: Option<String>,
}

impl Filter {
    fn conditions(&self) -> impl Iterator<Item = (Field, &'static str, &String)> {
        let single = [
            (Field::User, "user", &self.user),
            (Field::Tenant, "tenant", &self.tenant),
            (Field::Agent, "agent", &self.agent),
            (Field::Tool, "tool", &self.tool),
            (Field::Session, "session", &self.session),
            (Field::Decision, "decision", &self.decision),
            (Field::Stage, "stage", &self.stage),
            (Field::Policy, "policy", &self.policy),
            (Field::Waiver, "waiver", &self.waiver),
            (Field::Shadow, "shadow", &self.shadow),
            (Field::Reason, "reason", &self.reason),
            (Field::Kind, "kind", &self.kind),
            (Field::Mark, "mark", &self.mark),
        ];
        let single =
            single.into_iter().filter_map(|(field, name, value)| Some((field, name, value.as_ref()?)));
        let rules = self.rule.iter().map(|rule| (Field::Rule, "rule", rule));
        single.chain(rules).chain(self.tag.iter().map(|tag| (Field::Tag, "tag", tag)))
    }

    pub(super) fn query(&self) -> Query {
        Query {
            labels: self.conditions().map(|(field, _, value)| (field, value.clone())).collect(),
            since: self.since.map(Timestamp::as_microsecond),
            until: self.until.map(Timestamp::as_microsecond),
            ..Query::default()
        }
    }

    /// As it stands in the record of the read.
    pub(super) fn recorded(&self) -> BTreeMap<&'static str, String> {
        let mut filter: BTreeMap<&str, String> = BTreeMap::new();
        for (_, name, value) in self.conditions() {
            let known = filter.entry(name).or_default();
            if !known.is_empty() {
                known.push_str(", ");
            }
            known.push_str(value);
        }
        filter.extend(self.since.map(|at| ("since", at.to_string())));
        filter.extend(self.until.map(|at| ("until", at.to_string())));
        filter
    }
}

/// A time, a day, or how long ago.
fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Ok(day) = text.parse::<civil::Date>() {
        return day.to_zoned(TimeZone::UTC).map(|at| at.timestamp()).map_err(|error| error.to_string());
    }
    let ago = text.char_indices().next_back().and_then(|(at, unit)| {
        let count: i64 = text.get(..at)?.parse().ok().filter(|count| *count >= 0)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86400,
            'w' => 7 * 86400,
            _ => return None,
        };
        Timestamp::now().checked_sub(SignedDuration::from_secs(count.checked_mul(seconds)?)).ok()
    });
    ago.ok_or_else(|| "write 2026-11-22T10:00:00Z, 2026-11-22, or so long ago as 90m, 24h or 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_points_days_or_ages() {
        let at = |text: &str| time(text).unwrap();
        assert_eq!(at("2026-11-22"), at("2026-11-22T00:00:00Z"));
        let age = |text: &str| Timestamp::now().as_second() - at(text).as_second();
        assert!((7_199..7_202).contains(&age("2h")) && (604_799..604_802).contains(&age("7d")));
        for wrong in ["", "d", "7", "7y", "-7d", "yesterday", "99999999999999d"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}

//! JSON Schemas of every file that is read and of every JSON that is read or printed, made from the types.

pub(crate) mod rows;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The names that [`named`] knows.
pub const NAMES: &[&str] = &[
    "manifest",
    "directory",
    "tools",
    "pack",
    "retention",
    "test",
    "event",
    "session",
    "verdict",
    "record",
    "audit-stats",
    "audit-report",
    #[cfg(feature = "audit")]
    "retention-plan",
    "retention-run",
    "retention-hold",
    "retention-check",
    #[cfg(feature = "audit")]
    "retention-export",
    #[cfg(feature = "audit")]
    "receipt",
    "diagnostic",
    "test-result",
    "diff-result",
    "scan-result",
    "baseline",
    #[cfg(feature = "openai")]
    "script",
];

fn of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}

/// The JSON Schema (2020-12) of a name of [`NAMES`].
#[must_use]
pub fn named(name: &str) -> Option<Value> {
    Some(match name {
        "manifest" => of::<crate::bundle::ManifestSpec>(),
        "directory" => of::<crate::bundle::DirectorySpec>(),
        "tools" => of::<crate::rule::tool::ToolsSpec>(),
        "pack" => of::<crate::rule::pack::PackSpec>(),
        "retention" => of::<crate::rule::retention::RetentionSpec>(),
        "test" => of::<crate::harness::TestsSpec>(),
        "event" => of::<crate::event::EventSpec>(),
        "session" => of::<rows::Session>(),
        "diagnostic" => of::<crate::diagnostic::Diagnostic>(),
        "test-result" => of::<rows::TestResult<'static>>(),
        "diff-result" => of::<rows::DiffResult<'static>>(),
        "scan-result" => of::<rows::ScanResult<'static>>(),
        "baseline" => of::<rows::Baseline>(),
        "verdict" => of::<crate::verdict::Verdict>(),
        "record" => of::<crate::audit::Record<'static>>(),
        "audit-stats" => of::<rows::AuditStats<'static>>(),
        "audit-report" => of::<rows::AuditReport<'static>>(),
        #[cfg(feature = "audit")]
        "retention-plan" => of::<crate::retention::Plan>(),
        "retention-run" => of::<rows::RetentionRun<'static>>(),
        "retention-check" => of::<rows::RetentionAccount<'static>>(),
        "retention-hold" => of::<rows::RetentionHold<'static>>(),
        #[cfg(feature = "audit")]
        "retention-export" => of::<crate::retention::Exported>(),
        #[cfg(feature = "audit")]
        "receipt" => of::<crate::retention::Receipt>(),
        #[cfg(feature = "openai")]
        "script" => of::<crate::surface::openai::scripted::Script>(),
        _ => return None,
    })
}

//! Logging: one subscriber for the process, and the one table of field names in [`fields`].
//!
//! Lines go to standard error, so that a command's output can be piped. Message for people, fields for
//! machines; `error` wakes someone, `warn` recovered, `info` once per unit of work.

pub mod fields;

use crate::config::{Log, LogFormat};
use std::{io, sync::Arc};
use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// Starts logging for the whole process. A second call changes nothing, so tests may all call it.
pub fn start(log: &Log) {
    let subscriber = subscriber(log, io::stderr);
    // Refused only when a subscriber is set already, which then stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// A subscriber that writes as `log` says.
fn subscriber<W>(log: &Log, writer: W) -> Arc<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // The settings have been checked; a test that made its own may be wrong and still wants its lines.
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer);
    match log.format {
        LogFormat::Text => Arc::new(builder.with_ansi(false).finish()),
        LogFormat::Json => Arc::new(builder.json().flatten_event(true).finish()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, format: LogFormat) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = Log {
            filter: filter.to_owned(),
            format,
        };
        let subscriber = subscriber(&log, move || writer.clone());

        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(channel.id = 42, duration_ms = 7, "scan finished");
            tracing::debug!("a detail");
        });

        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn text_lines_carry_message_and_fields() {
        let text = logged("info", LogFormat::Text);

        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.contains("scan finished channel.id=42 duration_ms=7"),
            "{text}"
        );
    }

    #[test]
    fn json_lines_carry_fields_under_their_names() {
        let text = logged("info", LogFormat::Json);

        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(line["message"], "scan finished");
        assert_eq!(line[fields::CHANNEL_ID], 42);
        assert_eq!(line[fields::DURATION_MS], 7);
    }

    #[test]
    fn the_filter_decides_what_is_logged() {
        assert_eq!(logged("debug", LogFormat::Text).lines().count(), 2);
        assert_eq!(logged("error", LogFormat::Text), "");
    }

    #[test]
    fn starting_twice_changes_nothing() {
        let log = Log {
            filter: "off".to_owned(),
            format: LogFormat::Text,
        };

        start(&log);
        start(&log);

        assert!(tracing::dispatcher::has_been_set());
    }
}

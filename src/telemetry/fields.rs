//! The one table of log field names: one spelling for one thing.
//!
//! Tracing's macros want the names written out, so a test reads every log line of the sources and
//! looks its dotted names up here. Numbers carry their unit; ids are ours unless `remote` says otherwise.

macro_rules! fields {
    ($(#[doc = $doc:literal] $constant:ident = $name:literal;)*) => {
        $(#[doc = $doc] pub const $constant: &str = $name;)*

        /// Every name with its meaning.
        pub const ALL: &[(&str, &str)] = &[$(($name, $doc)),*];
    };
}

fields! {
    /// The merchant, our id.
    MERCHANT_ID = "merchant.id";
    /// The marketplace's slug.
    MARKETPLACE = "marketplace";
    /// The connected shop account, our id.
    CHANNEL_ID = "channel.id";
    /// A webhook request as received, our id.
    DELIVERY_ID = "delivery.id";
    /// What makes a repeated delivery the same delivery.
    DELIVERY_KEY = "delivery.key";
    /// The marketplace's word for what the delivery is about.
    DELIVERY_TOPIC = "delivery.topic";
    /// What a delivery means, our id.
    EVENT_ID = "event.id";
    /// Background work, our id.
    JOB_ID = "job.id";
    /// What the work is, such as `fetch_order`.
    JOB_KIND = "job.kind";
    /// What is unique while waiting, per kind.
    JOB_KEY = "job.key";
    /// The number of this try; the first is 1.
    JOB_ATTEMPT = "job.attempt";
    /// How the try ended: `done`, `retry`, `dead`, `superseded` or `cancelled`.
    JOB_OUTCOME = "job.outcome";
    /// A walk over a channel's listings, our id.
    SCAN_ID = "scan.id";
    /// `full`, `active`, `updated` or `single`.
    SCAN_KIND = "scan.kind";
    /// A walk over a channel's orders, our id.
    DOWNLOAD_ID = "download.id";
    /// An order in the books, our id.
    ORDER_ID = "order.id";
    /// Another program that is told what happens, our id.
    ENDPOINT_ID = "endpoint.id";
    /// The marketplace's id of an order.
    ORDER_REMOTE_ID = "order.remote_id";
    /// The marketplace's id of a product.
    PRODUCT_REMOTE_ID = "product.remote_id";
    /// A sellable variant on a channel, our id.
    LISTING_ID = "listing.id";
    /// What the merchant sells and counts, our id.
    SKU_ID = "sku.id";
    /// A place that holds stock, our id.
    OUTLET_ID = "outlet.id";
    /// What runs when, our id.
    SCHEDULE_ID = "schedule.id";
    /// The version of a marketplace's API that answered.
    API_VERSION = "api.version";
    /// Status of an answer over HTTP.
    HTTP_STATUS = "http.status";
    /// Bytes of a request's body.
    BODY_BYTES = "body_bytes";
    /// How long the unit of work took, in milliseconds.
    DURATION_MS = "duration_ms";
    /// How long until the next try, in milliseconds.
    WAIT_MS = "wait_ms";
    /// The cause, with its own causes, without secrets.
    ERROR = "error";
}

#[cfg(test)]
mod tests {
    use super::ALL;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_lower_case_and_explained() {
        let names: BTreeSet<_> = ALL.iter().map(|(name, _)| name).collect();

        assert_eq!(names.len(), ALL.len());
        for (name, doc) in ALL {
            let allowed = |c: char| c.is_ascii_lowercase() || matches!(c, '_' | '.');
            assert!(name.chars().all(allowed), "{name}");
            assert!(doc.trim().ends_with('.'), "{name}");
        }
    }
}

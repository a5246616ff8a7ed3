//! What is served is in the table of routes, and nothing else is.

use super::source::{mentions, nothing_breaks, sources};

#[test]
fn only_the_table_of_routes_makes_routes() {
    let mut broken = Vec::new();

    for source in sources(&["src/web"]) {
        if source.path == "src/web/routes.rs" {
            continue;
        }
        let code = source.production();
        for word in [
            "web::resource",
            "web::scope",
            ".route(",
            ".service(",
            "#[get",
            "#[post",
        ] {
            if mentions(&code, word) {
                broken.push(format!("{}: `{word}`", source.path));
            }
        }
    }

    nothing_breaks("a route is a row of src/web/routes.rs", &broken);
}

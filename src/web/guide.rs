//! Guides for people who connect something to marketsink: Markdown that is part of the program. Each is served as a
//! page at `/guide/{name}`, and printed by `marketsink guide`.
//!
//! Pages are made once. What the Markdown says in HTML is shown as text, so a guide cannot run anything.

use super::home;
use actix_web::{HttpResponse, web};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html::push_html};
use std::sync::LazyLock;

pub const STYLE: &str = include_str!("assets/guide.css");

/// A guide, as it was written.
#[derive(Debug)]
pub struct Guide {
    /// The last part of its address.
    pub name: &'static str,
    /// What it tells, in a line.
    pub about: &'static str,
    /// Markdown.
    pub text: &'static str,
}

/// Every guide, in the order in which they are listed.
pub const GUIDES: [Guide; 2] = [
    Guide {
        name: "custom-store",
        about: "connect a store of your own: signing, messages, and the pull API",
        text: include_str!("guide/custom_store.md"),
    },
    Guide {
        name: "events",
        about: "hear what happens in the books: messages, order, signing, retries",
        text: include_str!("guide/events.md"),
    },
];

static PAGES: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| {
    let page = |guide: &'static Guide| (guide.name, page_of(guide).into_string());
    GUIDES.iter().map(page).collect()
});

/// The guide with this name.
pub fn find(name: &str) -> Option<&'static Guide> {
    GUIDES.iter().find(|guide| guide.name == name)
}

/// One guide as a page.
pub async fn page(name: web::Path<String>) -> HttpResponse {
    let name = name.into_inner();
    match PAGES.iter().find(|(known, _)| *known == name) {
        None => HttpResponse::NotFound().finish(),
        Some((_, page)) => HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header(("cache-control", "no-cache"))
            .body(page.as_str()),
    }
}

fn page_of(guide: &Guide) -> Markup {
    let written = Written::of(guide.text);
    let sections = written.headings.iter().filter(|heading| heading.level == 2);
    let title = written.headings.first().map_or("", |first| &first.text);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · marketsink" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href={ "/assets/" (home::STYLE_NAME) };
                link rel="stylesheet" href="/assets/guide.css";
            }
            body.guide {
                nav aria-label="On this page" {
                    @for section in sections { a href={ "#" (section.anchor) } { (section.text) } }
                }
                main { (PreEscaped(written.html)) }
            }
        }
    }
}

struct Heading {
    level: usize,
    text: String,
    anchor: String,
}

/// A guide as HTML, with its headings in order.
struct Written {
    html: String,
    headings: Vec<Heading>,
}

impl Written {
    fn of(markdown: &str) -> Self {
        let events: Vec<Event<'_>> = Parser::new_ext(markdown, Options::ENABLE_TABLES).collect();
        let headings = headings(&events);
        let mut anchors = headings.iter().map(|heading| heading.anchor.clone());
        let shown = events.into_iter().flat_map(|event| match event {
            Event::Start(Tag::Heading {
                level,
                classes,
                attrs,
                ..
            }) => {
                let id = anchors.next().map(CowStr::from);
                let heading = Tag::Heading {
                    level,
                    id,
                    classes,
                    attrs,
                };
                vec![Event::Start(heading)]
            }
            Event::Start(Tag::Table(columns)) => {
                let open = Event::Html("<div class=\"scroll\">".into());
                vec![open, Event::Start(Tag::Table(columns))]
            }
            Event::End(TagEnd::Table) => {
                vec![Event::End(TagEnd::Table), Event::Html("</div>\n".into())]
            }
            Event::Html(text) | Event::InlineHtml(text) => vec![Event::Text(text)],
            other => vec![other],
        });
        let mut html = String::new();
        push_html(&mut html, shown);
        Self { html, headings }
    }
}

fn headings(events: &[Event<'_>]) -> Vec<Heading> {
    let mut headings = Vec::new();
    let mut open: Option<Heading> = None;
    for event in events {
        match (event, &mut open) {
            (Event::Start(Tag::Heading { level, .. }), _) => {
                open = Some(Heading {
                    level: *level as usize,
                    text: String::new(),
                    anchor: String::new(),
                });
            }
            (Event::Text(text) | Event::Code(text), Some(heading)) => heading.text.push_str(text),
            (Event::End(TagEnd::Heading(_)), _) => headings.extend(open.take().map(|heading| {
                let anchor = anchor(&heading.text);
                Heading { anchor, ..heading }
            })),
            _ => {}
        }
    }
    headings
}

/// `Versions, retries` as `versions-retries`.
fn anchor(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_in_a_guide_is_shown_and_not_run() {
        let written = Written::of(
            "a <b>b</b>\n\n<script>alert(1)</script>\n\n`<i>`\n\n```js\n</code>\n```\n",
        );

        for tag in ["<b>", "<script>", "<i>", "</code>\n"] {
            assert!(!written.html.contains(tag), "{tag}: {}", written.html);
        }
        assert!(written.html.contains("&lt;script&gt;"), "{}", written.html);
    }

    #[test]
    fn headings_can_be_linked_to_and_tables_scroll() {
        let written = Written::of("# One, `two`!\n\n| a |\n| --- |\n| b |\n");

        assert!(
            written.html.contains("<h1 id=\"one-two\">"),
            "{}",
            written.html
        );
        assert!(
            written.html.contains("<div class=\"scroll\"><table>"),
            "{}",
            written.html
        );
        assert_eq!(written.headings[0].text, "One, two!");
    }

    #[test]
    fn every_link_within_a_guide_leads_somewhere() {
        for guide in &GUIDES {
            let page = page_of(guide).into_string();
            let links = page.split("href=\"#").skip(1);
            for link in links {
                let anchor = link.split('"').next().unwrap();
                assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor}");
            }
        }
    }
}

//! A merchant's browser: one hop at a time, as it was told to go.

use reqwest::{Client, Response, redirect::Policy};

pub struct Browser(Client);

/// Where a hop ended.
pub struct Page {
    pub status: u16,
    pub location: Option<String>,
    pub cache_control: String,
    pub referrer_policy: String,
    pub text: String,
}

impl Browser {
    pub fn new() -> Self {
        let client = Client::builder().redirect(Policy::none()).no_proxy();
        Self(client.build().unwrap())
    }

    pub async fn open(&self, url: &str) -> Page {
        read(self.0.get(url).send().await.unwrap()).await
    }

    /// The same with one header more.
    pub async fn open_with(&self, url: &str, (name, value): (&str, &str)) -> Page {
        read(self.0.get(url).header(name, value).send().await.unwrap()).await
    }

    pub async fn post(&self, url: &str, body: String) -> Page {
        read(self.0.post(url).body(body).send().await.unwrap()).await
    }

    /// From the marketplace's page to the address on which it sends the browser back, not opened yet.
    pub async fn agree(&self, link: &str) -> String {
        let page = self.open(link).await;
        assert_eq!(page.status, 302, "{}", page.text);
        page.location.unwrap()
    }
}

async fn read(answer: Response) -> Page {
    let header = |name: &str| {
        let value = answer.headers().get(name);
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    Page {
        status: answer.status().as_u16(),
        location: header("location"),
        cache_control: header("cache-control").unwrap_or_default(),
        referrer_policy: header("referrer-policy").unwrap_or_default(),
        text: answer.text().await.unwrap(),
    }
}

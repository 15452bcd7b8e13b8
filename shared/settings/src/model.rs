//! The model's API.

use crate::Platform;
use boot::{Env, Keyed, Secret, Setting, Settings};
use model_api::{ModelApi, ModelConfig, Wire};

const MODEL_URL: Setting = Setting::required(
    "MODEL_URL",
    "The address of the model's API, without `/v1` and what follows it.",
);
const MODEL_WIRE: Setting = Setting::optional(
    "MODEL_WIRE",
    "The protocol of the model's API: `anthropic` (Messages) or `openai` (Chat Completions).",
)
.with_default("anthropic");
const MODEL_NAME: Setting = Setting::required("MODEL_NAME", "The name of the model.");
const MODEL_API_KEY: Setting =
    Setting::required("MODEL_API_KEY", "The key for the model's API.").secret();

pub struct ModelSettings {
    url: String,
    wire: Wire,
    name: String,
    key: Secret,
}

impl Settings for ModelSettings {
    fn read(env: &mut Env) -> Self {
        Self {
            url: env.text(MODEL_URL),
            wire: wire(env),
            name: env.text(MODEL_NAME),
            key: Secret::read(env, MODEL_API_KEY),
        }
    }
}

fn wire(env: &mut Env) -> Wire {
    let word = env.text(MODEL_WIRE);
    Wire::parse(&word).unwrap_or_else(|| {
        let words = Wire::ALL.map(Wire::as_str).join(" or ");
        env.error(format!("MODEL_WIRE must be {words}"));
        Wire::Anthropic
    })
}

/// A model's client and the model's name, which is the key of its price in the catalogue.
pub struct Model {
    pub api: Keyed<ModelApi>,
    pub name: String,
}

impl ModelSettings {
    pub fn connect(self, platform: &Platform) -> Model {
        let (url, wire, model) = (self.url, self.wire, self.name.clone());
        let web = platform.outside.web.clone();
        let api = Keyed::new(platform.secrets(self.key), move |values| {
            let config = ModelConfig {
                url: url.clone(),
                wire,
                api_key: values.first().cloned().unwrap_or_default(),
                model: model.clone(),
            };
            ModelApi::new(config, web.clone())
        });
        Model {
            api,
            name: self.name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_wire_is_refused_and_the_known_ones_are_named() {
        let error = |word| {
            ModelSettings::load(Env::of([("MODEL_WIRE", word)]))
                .err()
                .expect("the other settings are missing")
                .to_string()
        };
        for word in ["", "anthropic", "openai"] {
            assert!(!error(word).contains("MODEL_WIRE"), "{word}");
        }
        let error = error("OpenAI!");
        assert!(
            error.contains("MODEL_WIRE must be anthropic or openai"),
            "{error}"
        );
    }
}

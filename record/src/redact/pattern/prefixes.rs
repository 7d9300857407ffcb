//! Beginnings of providers' tokens.

use super::token::base64url;

/// Which characters a token's body has.
#[derive(Clone, Copy)]
pub(super) enum Body {
    /// `[A-Za-z0-9]`
    Alnum,
    /// `[0-9A-Z]`
    Upper,
    /// `[0-9A-Fa-f]`
    Hex,
    /// `[A-Za-z0-9_-]`
    Url,
    /// `[A-Za-z0-9_.-]`
    Dotted,
    /// `[A-Za-z0-9_.=+/-]`, for tokens in several parts
    Parts,
    /// `[0-9A-Fa-f-]`
    Uuid,
}

impl Body {
    pub(super) fn has(self, b: u8) -> bool {
        match self {
            Self::Alnum => b.is_ascii_alphanumeric(),
            Self::Upper => b.is_ascii_digit() || b.is_ascii_uppercase(),
            Self::Hex => b.is_ascii_hexdigit(),
            Self::Url => base64url(b),
            Self::Dotted => base64url(b) || b == b'.',
            Self::Uuid => b.is_ascii_hexdigit() || b == b'-',
            Self::Parts => base64url(b) || matches!(b, b'.' | b'=' | b'+' | b'/'),
        }
    }
}

use Body::{Alnum, Dotted, Hex, Parts, Upper, Url, Uuid};

/// Beginning, body and its least length.
pub(super) type Prefix = (&'static str, Body, usize);

/// From the providers' documents and, where those say nothing, from what public secret scanners know.
#[rustfmt::skip]
pub(super) static PREFIXES: &[Prefix] = &[
    ("sk-ant-", Url, 24), // Anthropic
    ("sk-proj-", Url, 24), // OpenAI, of a project
    ("ops_eyJ", Url, 100), // 1Password service account
    ("aio_", Alnum, 28), // Adafruit IO
    ("p8e-", Alnum, 32), // Adobe
    ("AGE-SECRET-KEY-1", Alnum, 58), // age
    ("AVNS_", Url, 19), // Aiven
    ("LTAI", Alnum, 20), // Alibaba Cloud
    ("ABSK", Parts, 100), // Amazon Bedrock
    ("bedrock-api-key-YmVk", Parts, 20),
    ("amzn.mws.", Parts, 36), // Amazon marketplace
    ("amzn1.oa2-cs.v1.", Hex, 64),
    ("apify_api_", Alnum, 36), // Apify
    ("AKCp", Alnum, 69), // Artifactory
    ("cmVmd", Alnum, 59),
    ("ATATT3", Parts, 60), // Atlassian
    ("ATBB", Alnum, 32),
    ("ATCTT3", Parts, 60),
    ("ATSTT3", Parts, 60),
    ("bkua_", Hex, 40), // Bitrise, Buildkite
    ("bkaj_", Dotted, 30),
    ("bkpt_", Hex, 40),
    ("xkeysib-", Parts, 64), // Brevo
    ("xsmtpsib-", Parts, 64),
    ("csk-", Alnum, 40), // Cerebras
    ("CCIPAT_", Url, 40), // CircleCI
    ("CCIPRJ_", Url, 40),
    ("CLOJARS_", Alnum, 60), // Clojars
    ("v1.0-", Uuid, 150), // Cloudflare
    ("CFPAT-", Url, 43), // Contentful
    ("cio", Alnum, 32), // crates.io
    ("dapi", Hex, 32), // Databricks
    ("dose", Hex, 32),
    ("ddp_", Alnum, 36), // Deno Deploy
    ("doo_v1_", Hex, 64), // DigitalOcean
    ("dop_v1_", Hex, 64),
    ("dor_v1_", Hex, 64),
    ("dckr_oat_", Url, 27), // Docker Hub
    ("dckr_pat_", Url, 27),
    ("dp.audit.", Alnum, 40), // Doppler
    ("dp.ct.", Alnum, 40),
    ("dp.pt.", Alnum, 40),
    ("dp.sa.", Alnum, 40),
    ("dp.scim.", Alnum, 40),
    ("dp.st.", Parts, 40),
    ("sl.", Url, 130), // Dropbox
    ("duffel_live_", Parts, 43), // Duffel
    ("duffel_test_", Parts, 43),
    ("dt0c01.", Dotted, 88), // Dynatrace
    ("dt0s01.", Dotted, 88),
    ("dt0s02.", Dotted, 88),
    ("e2b_", Alnum, 40), // E2B
    ("EZAK", Alnum, 54), // EasyPost
    ("EZTK", Alnum, 54),
    ("sk_", Hex, 48), // ElevenLabs
    ("EAACEdEose0cBA", Alnum, 24), // Facebook
    ("EAA", Alnum, 100),
    ("figd_", Url, 40), // Figma
    ("figo_", Url, 40),
    ("figor_", Url, 40),
    ("figu_", Url, 40),
    ("fc-", Hex, 32), // Firecrawl
    ("fw_", Alnum, 22), // Fireworks
    ("flb_live_", Alnum, 20), // Fleetbase
    ("FLWSECK-", Url, 32), // Flutterwave
    ("FLWSECK_TEST-", Url, 32),
    ("fm1a_", Parts, 100), // Fly.io
    ("fm1r_", Parts, 100),
    ("fm2_", Parts, 100),
    ("fo1_", Url, 43),
    ("fio-u-", Parts, 64), // Frame.io
    ("gho_", Url, 36), // GitHub, also the longer tokens
    ("ghp_", Url, 36),
    ("ghr_", Url, 36),
    ("ghs_", Parts, 36),
    ("ghu_", Url, 36),
    ("GR1348941", Url, 20), // GitLab
    ("glagent-", Parts, 20),
    ("glcbt-", Parts, 20),
    ("gldt-", Parts, 20),
    ("glffct-", Parts, 20),
    ("glft-", Parts, 20),
    ("glimt-", Parts, 20),
    ("gloas-", Parts, 20),
    ("glpat-", Parts, 20),
    ("glptt-", Parts, 20),
    ("glrt-", Parts, 20),
    ("glrtr-", Parts, 20),
    ("glsoat-", Parts, 20),
    ("glwt-", Parts, 20),
    ("GOCSPX-", Url, 28), // Google OAuth: client, access, refresh
    ("ya29.", Parts, 24),
    ("1//0", Url, 40),
    ("glc_", Parts, 32), // Grafana
    ("glsa_", Url, 32),
    ("gsk_", Alnum, 40), // Groq
    ("pat.", Dotted, 66), // Harness
    ("sat.", Dotted, 66),
    ("hvb.", Url, 24), // HashiCorp Vault
    ("hvr.", Url, 24),
    ("hvs.", Url, 24),
    ("HRKU-", Url, 36), // Heroku
    ("pat-eu1-", Uuid, 36), // HubSpot
    ("pat-na1-", Uuid, 36),
    ("pat-na2-", Uuid, 36),
    ("api_org_", Alnum, 34), // Hugging Face
    ("hf_", Alnum, 30),
    ("hf_oauth_eyJ", Parts, 27),
    ("ico-", Alnum, 32), // IBM Cloud, Infracost
    ("s-s4t2af-", Hex, 64), // Intra42
    ("s-s4t2ud-", Hex, 64),
    ("jina_", Alnum, 40), // Jina
    ("lsv2_pt_", Url, 32), // LangSmith, Langfuse
    ("lsv2_sk_", Url, 32),
    ("sk-lf-", Uuid, 36),
    ("sdk-", Uuid, 36), // LaunchDarkly
    ("lin_api_", Alnum, 32), // Linear
    ("lin_oauth_", Alnum, 32),
    ("llx-", Alnum, 40), // Llama Cloud
    ("key-", Hex, 32), // Mailgun
    ("pubkey-", Hex, 32),
    ("sk.eyJ", Parts, 60), // Mapbox
    ("tk.eyJ", Parts, 60),
    ("mdb_sa_sk_", Url, 30), // MongoDB Atlas
    ("napi_", Alnum, 40), // Neon
    ("nfc_", Alnum, 36), // Netlify
    ("nfo_", Alnum, 36),
    ("nfp_", Alnum, 36),
    ("nfu_", Alnum, 36),
    ("NRAK-", Alnum, 27), // New Relic
    ("NRII-", Url, 32),
    ("ntn_", Alnum, 40), // Notion
    ("secret_", Alnum, 43),
    ("npm_", Alnum, 36), // npm
    ("oy2", Alnum, 43), // NuGet
    ("nvapi-", Url, 60), // NVIDIA
    ("API-", Upper, 26), // Octopus Deploy
    ("sha256~", Url, 43), // OpenShift
    ("pdl_live_apikey_", Url, 40), // Paddle
    ("pdl_sdbx_apikey_", Url, 40),
    ("pplx-", Alnum, 40), // Perplexity
    ("pcsk_", Url, 40), // Pinecone
    ("access-development-", Uuid, 36), // Plaid
    ("access-production-", Uuid, 36),
    ("access-sandbox-", Uuid, 36),
    ("pscale_oauth_", Parts, 32), // PlanetScale
    ("pscale_pw_", Parts, 32),
    ("pscale_tkn_", Parts, 32),
    ("phs_", Url, 40), // PostHog
    ("phx_", Url, 40),
    ("PMAK-", Parts, 59), // Postman
    ("pnb_", Alnum, 36), // Prefect
    ("pnu_", Alnum, 36),
    ("pul-", Hex, 40), // Pulumi
    ("pypi-", Url, 50), // PyPI
    ("rdme_", Alnum, 60), // ReadMe
    ("rnd_", Alnum, 28), // Render
    ("r8_", Alnum, 37), // Replicate
    ("rubygems_", Hex, 48), // RubyGems
    ("tk-us-", Url, 48), // Scalingo
    ("SG.", Parts, 22), // SendGrid
    ("sntrys_", Parts, 40), // Sentry
    ("sntryu_", Hex, 64),
    ("shippo_live_", Hex, 40), // Shippo
    ("shippo_test_", Hex, 40),
    ("shpat_", Hex, 32), // Shopify
    ("shpca_", Hex, 32),
    ("shppa_", Hex, 32),
    ("shpss_", Hex, 32),
    ("shptka_", Hex, 32),
    ("xapp-", Url, 24), // Slack app, session, refresh
    ("xoxc-", Url, 24),
    ("xoxd-", Parts, 24),
    ("xoxe-", Url, 24),
    ("xoxe.", Parts, 24),
    ("xwfp-", Url, 24),
    ("sqa_", Hex, 40), // SonarQube
    ("sqp_", Hex, 40),
    ("squ_", Hex, 40),
    ("sgp_", Url, 40), // Sourcegraph
    ("slk_", Hex, 64),
    ("EAAA", Url, 56), // Square
    ("sq0atp-", Url, 22),
    ("sq0csp-", Url, 40),
    ("hawk.", Dotted, 40), // StackHawk
    ("whsec_", Parts, 24), // Stripe and Svix webhooks
    ("sb_secret_", Url, 30), // Supabase
    ("sbp_", Hex, 40),
    ("tskey-api-", Parts, 24), // Tailscale
    ("tskey-auth-", Parts, 24),
    ("tskey-client-", Parts, 24),
    ("tvly-", Url, 24), // Tavily
    ("SK", Hex, 32), // Twilio
    ("tfp_", Parts, 40), // Typeform
    ("unkey_", Alnum, 22), // Unkey
    ("vcp_", Alnum, 24), // Vercel
    ("vck_", Alnum, 24),
    ("waka_", Uuid, 36), // WakaTime
    ("xai-", Alnum, 64), // xAI
    ("AQVN", Url, 35), // Yandex Cloud
    ("t1.", Dotted, 60),
    ("YC", Url, 38),
];

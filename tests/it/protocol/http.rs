//! Rows H1 to H13: OTLP/HTTP.

use super::client::{JSON, Outcome, PROTOBUF, Post, Seen, Wire, http1};
use super::grpc::{EIGHT_MIB, LIMIT, gzip, half_good, hollow, logs, metrics, none_good, zstd, zstd_zeros};
use super::{Case, Ctx, Expect, Target, http, slowly, steps};
use crate::support::random::Random;

fn proto(ctx: &Ctx) -> Post {
    Post::new(PROTOBUF, ctx.proto(1))
}

fn coded(encoding: &str, body: Vec<u8>) -> Post {
    Post::new(PROTOBUF, body).with("content-encoding", encoding)
}

pub fn cases() -> Vec<Case> {
    let mut cases = paths_and_types();
    cases.extend(encodings_and_limits());
    cases.extend(connections());
    cases.extend(abuses());
    cases
}

fn paths_and_types() -> Vec<Case> {
    use Expect::{Full, NotTakenWhole, Partial, Refused, Taken};
    vec![
        http("H1", "traces over HTTP/1.1", Full, proto).keeps(1),
        http("H1", "traces over h2c", Full, |c| proto(c).h2()).keeps(1),
        http("H1", "logs over HTTP/1.1, a warning at most", Taken, |_| {
            Post::new(PROTOBUF, logs()).to("/v1/logs")
        }),
        http("H1", "logs over h2c, a warning at most", Taken, |_| {
            Post::new(PROTOBUF, logs()).to("/v1/logs").h2()
        }),
        http("H1", "metrics: success, a warning at most", Taken, |_| {
            Post::new(PROTOBUF, metrics()).to("/v1/metrics")
        }),
        http("H1", "metrics in JSON", Taken, |_| Post::new(JSON, "{}").to("/v1/metrics")),
        steps("H1", "profiles are not there", |_, target| {
            let seen = target.post(&Post::new(PROTOBUF, "").to("/v1development/profiles"))?;
            if matches!(seen.status, 404 | 501) { Ok(seen.summary()) } else { Err(seen.summary()) }
        }),
        http("H2", "protobuf", Full, proto).keeps(1),
        http("H2", "JSON", Full, |c| Post::new(JSON, c.json())).keeps(1),
        steps("H2", "content types with parameters, in any case", content_types),
        http("H3", "another content type", Refused(415), |c| Post::new("text/plain", c.proto(1))).keeps(0),
        http("H3", "application/grpc-web", Refused(415), |c| {
            Post::new("application/grpc-web+proto", c.proto(1))
        })
        .keeps(0),
        http("H3", "no content type", Refused(415), |c| Post { headers: vec![], ..proto(c) }).keeps(0),
        http("H3", "a content type that is no text", Refused(415), |c| Post {
            headers: vec![("content-type", b"application/json\xff".to_vec())],
            ..proto(c)
        })
        .keeps(0),
        http("H3", "GET", Refused(405), |_| Post::new(PROTOBUF, "").method("GET")),
        http("H3", "PUT", Refused(405), |_| Post::new(JSON, "{}").method("PUT")),
        http("H3", "an unknown path", Refused(404), |c| proto(c).to("/v1/trace")).keeps(0),
        http("H3", "a path with a slash at its end", Refused(404), |c| proto(c).to("/v1/traces/")).keeps(0),
        http("H4", "full success in protobuf: 0 bytes", Full, |c| Post::new(PROTOBUF, c.proto(2))).keeps(2),
        http("H4", "full success in JSON: {}", Full, |c| Post::new(JSON, c.json())).keeps(1),
        http("H4", "empty protobuf", Full, |_| Post::new(PROTOBUF, "")),
        http("H4", "empty envelopes", Full, |_| Post::new(PROTOBUF, hollow())),
        http("H4", "partial success in protobuf", Partial(1), |c| Post::new(PROTOBUF, half_good(c))).keeps(1),
        http("H4", "none can be used", Refused(400), |c| Post::new(PROTOBUF, none_good(c))).keeps(0),
        // Every error of this table has a Status body in the encoding of its request; these are
        // about the encodings.
        http("H5", "404 in protobuf", Refused(404), |_| Post::new(PROTOBUF, "").to("/")),
        http("H5", "404 in JSON", Refused(404), |_| Post::new(JSON, "{}").to("/")),
        http("H5", "405 in JSON", Refused(405), |_| Post::new(JSON, "{}").method("DELETE")),
        http("H5", "415 in JSON", Refused(415), |_| Post::new(JSON, "{}").with("content-encoding", "br")),
        http("H5", "400 over h2c", Refused(400), |_| Post::new(JSON, "{").h2()),
        http("H6", "no protobuf", Refused(400), |_| Post::new(PROTOBUF, "\u{ff}\u{ff}")),
        http("H6", "no JSON", Refused(400), |_| Post::new(JSON, "{\"resourceSpans\": [")),
        http("H6", "nothing, as JSON", Refused(400), |_| Post::new(JSON, "")),
        steps("H7", "200 damaged requests: no status that its sender would repeat", damaged),
        http("H12", "logs at the traces path", NotTakenWhole, |_| Post::new(PROTOBUF, logs())),
        http("H12", "traces at the logs path", NotTakenWhole, |c| proto(c).to("/v1/logs")).keeps(0),
        http("H12", "logs at the traces path, in JSON", NotTakenWhole, |_| {
            Post::new(
                JSON,
                r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}"#,
            )
        }),
        http("H12", "traces at the logs path, in JSON", NotTakenWhole, |c| {
            Post::new(JSON, c.json()).to("/v1/logs")
        })
        .keeps(0),
        steps("H13", "a preflight is not answered for other origins", |_, target| {
            let preflight = Post::new(JSON, "").method("OPTIONS").with("origin", "https://example.com");
            no_cors(target.post(&preflight.with("access-control-request-method", "POST"))?)
        }),
        steps("H13", "no answer is opened to other origins", |_, target| {
            no_cors(target.post(&Post::new(JSON, "{}").with("origin", "https://example.com"))?)
        }),
    ]
}

fn encodings_and_limits() -> Vec<Case> {
    use Expect::{Full, Refused};
    vec![
        http("H8", "gzip", Full, |c| coded("gzip", gzip(&c.proto(1)))).keeps(1),
        http("H8", "gzipped JSON", Full, |c| {
            Post::new(JSON, gzip(c.json().as_bytes())).with("content-encoding", "gzip")
        })
        .keeps(1),
        http("H8", "gzip of several members", Full, |c| {
            let plain = c.proto(1);
            let (one, two) = plain.split_at(plain.len() / 3);
            coded("GZIP", [gzip(one), gzip(b""), gzip(two)].concat())
        })
        .keeps(1),
        http("H8", "truncated gzip", Refused(400), |c| {
            let wire = gzip(&c.proto(1));
            coded("gzip", wire[..wire.len() - 3].to_vec())
        })
        .keeps(0),
        http("H8", "junk behind gzip", Refused(400), |c| {
            coded("gzip", [gzip(&c.proto(1)), vec![1; 9]].concat())
        })
        .keeps(0),
        http("H8", "no gzip at all", Refused(400), |c| coded("gzip", c.proto(1))).keeps(0),
        http("H8+", "zstd", Full, |c| coded("zstd", zstd(&c.proto(1)))).keeps(1),
        http("H8+", "zstd of several frames, some to be skipped", Full, |c| {
            let plain = c.proto(1);
            let (one, two) = plain.split_at(plain.len() / 3);
            let skipped = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc".to_vec();
            coded("zstd", [skipped.clone(), zstd(one), skipped, zstd(two)].concat())
        })
        .keeps(1),
        http("H8+", "truncated zstd", Refused(400), |c| {
            let wire = zstd(&c.proto(1));
            coded("zstd", wire[..wire.len() - 3].to_vec())
        })
        .keeps(0),
        http("H8+", "a zstd window of 9 MiB", Refused(400), |_| coded("zstd", zstd_zeros(1, EIGHT_MIB + 1))),
        http("H8", "an unknown encoding", Refused(415), |c| coded("br", c.proto(1))).keeps(0),
        http("H8", "one encoding upon another", Refused(415), |c| {
            coded("gzip, gzip", gzip(&gzip(&c.proto(1))))
        })
        .keeps(0),
        http("H9", "over the limit, as declared", Refused(413), |_| Post::new(PROTOBUF, vec![0; LIMIT + 1])),
        http("H9", "over the limit, in chunks", Refused(413), |_| {
            Post::new(JSON, vec![b' '; LIMIT + 1]).chunked()
        }),
        http("H9", "over the limit, over h2c", Refused(413), |_| {
            Post::new(PROTOBUF, vec![0; LIMIT + 1]).h2()
        }),
        http("H9", "over the limit after gunzip", Refused(413), |_| coded("gzip", gzip(&vec![0; LIMIT + 1]))),
        http("H9+", "over the limit after unzstd", Refused(413), |_| {
            coded("zstd", zstd_zeros(65, EIGHT_MIB))
        }),
        steps("H9+", "sixteen zstd bombs at once, with the largest window", |_, target| {
            let bomb = coded("zstd", zstd_zeros(1 << 10, EIGHT_MIB)).bytes();
            let statuses: Vec<Outcome<u16>> = std::thread::scope(|scope| {
                let send = || http1(target.http, &bomb).map(|seen| seen.status);
                let threads: Vec<_> = (0..16).map(|_| scope.spawn(send)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            // Where there is no room for its window now, one is told to come back.
            let good = statuses.iter().all(|status| matches!(status, Ok(413 | 503)));
            if good { Ok(format!("{statuses:?}")) } else { Err(format!("{statuses:?}")) }
        }),
        http("H9", "200 MiB in a hundred gzip members", Refused(413), |_| {
            coded("gzip", gzip(&vec![0; 2 << 20]).repeat(100))
        }),
    ]
}

fn connections() -> Vec<Case> {
    use Expect::Full;
    vec![
        http("H10", "chunks", Full, |c| proto(c).chunked()).keeps(1),
        http("H10", "a client that takes gzipped answers", Full, |c| {
            proto(c).with("accept-encoding", "gzip")
        })
        .keeps(1),
        steps("H10", "Expect: 100-continue", expects).keeps(1),
        steps("H10", "Expect: 100-continue, and the body would be too large", |_, target| {
            let mut wire = Wire::connect(target.http)?;
            let head = "POST /v1/traces HTTP/1.1\r\nhost: otlp\r\ncontent-type: application/x-protobuf\r\n";
            wire.write(
                format!("{head}content-length: {}\r\nexpect: 100-continue\r\n\r\n", LIMIT + 1).as_bytes(),
            )?;
            let seen = wire.answer()?;
            Expect::Refused(413).http(Some(PROTOBUF), &seen, target.strict).map(|()| seen.summary())
        }),
        steps("H10", "three requests on one connection", |ctx, target| {
            let mut wire = Wire::connect(target.http)?;
            for _ in 0..3 {
                wire.write(&proto(ctx).bytes())?;
                let seen = wire.answer()?;
                Full.http(Some(PROTOBUF), &seen, target.strict)
                    .map_err(|why| format!("{why}; {}", seen.summary()))?;
            }
            Ok("three answers".into())
        })
        .keeps(1),
        steps("H10", "two requests in one write are answered in order", |ctx, target| {
            let mut wire = Wire::connect(target.http)?;
            wire.write(&[Post::new(JSON, "{").bytes(), proto(ctx).bytes()].concat())?;
            let (first, second) = (wire.answer()?, wire.answer()?);
            Expect::Refused(400)
                .http(Some(JSON), &first, target.strict)
                .map_err(|why| format!("first: {why}"))?;
            Full.http(Some(PROTOBUF), &second, target.strict).map_err(|why| format!("second: {why}"))?;
            Ok("400, then 200".into())
        })
        .keeps(1),
        steps("H10", "HTTP/1.0", |ctx, target| {
            let request =
                String::from_utf8_lossy(&Post::new(JSON, ctx.json()).bytes()).replacen("/1.1", "/1.0", 1);
            let mut wire = Wire::connect(target.http)?;
            wire.write(request.as_bytes())?;
            let seen = wire.answer()?;
            Full.http(Some(JSON), &seen, target.strict)
                .map_err(|why| format!("{why}; {}", seen.summary()))?;
            wire.read_to_end().map(|_| "200, then closed".to_owned())
        })
        .keeps(1),
    ]
}

fn abuses() -> Vec<Case> {
    use Expect::Full;
    vec![
        steps("H11", "two lengths that contradict each other", |ctx, target| {
            refused_head(http1(target.http, &proto(ctx).with("content-length", "3").bytes())?)
        })
        .keeps(0),
        steps("H11", "headers of 100 kB over h2c", |_, target| {
            refused_head(target.post(&Post::new(JSON, "{}").with("x-long", "x".repeat(100_000)).h2())?)
        }),
        steps("H11", "headers of 100 kB", |_, target| {
            let request = Post::new(JSON, "{}").with("x-long", "x".repeat(100_000)).bytes();
            refused_head(http1(target.http, &request)?)
        }),
        steps("H11", "200 headers", |_, target| {
            let mut post = Post::new(JSON, "{}");
            post.headers.extend((0..200).map(|_| ("x-many", b"1".to_vec())));
            refused_head(http1(target.http, &post.bytes())?)
        }),
        steps("H11", "what is no HTTP", |_, target| {
            let mut wire = Wire::connect(target.http)?;
            wire.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n")?;
            let said = String::from_utf8_lossy(wire.read_to_end()?).into_owned();
            if said.is_empty() || said.contains(" 400 ") { Ok(format!("{said:?}")) } else { Err(said) }
        }),
        steps("H11", "a sender that leaves within its body", |ctx, target| {
            let request = proto(ctx).bytes();
            let mut wire = Wire::connect(target.http)?;
            wire.write(&request[..request.len() - 9])?;
            drop(wire);
            let seen = target.post(&Post::new(PROTOBUF, ""))?;
            Full.http(Some(PROTOBUF), &seen, target.strict)
                .map(|()| "the next request is answered".to_owned())
        })
        .keeps(0),
        slowly("H11", "a head that never ends: the connection is closed", |to, _| {
            let mut wire = Wire::connect(to)?;
            wire.write(b"POST /v1/traces HTTP/1.1\r\nhost: otlp\r\nx-slow: ")?;
            wire.read_to_end().map(|said| format!("closed after {:?}", String::from_utf8_lossy(said)))
        }),
        slowly("H11", "a connection that says nothing is closed", |to, _| {
            Wire::connect(to)?.read_to_end().map(|said| format!("closed after {} bytes", said.len()))
        }),
        slowly("H11", "a body that never ends: refused for now", |to, strict| {
            let mut wire = Wire::connect(to)?;
            let head = "POST /v1/traces HTTP/1.1\r\nhost: otlp\r\ncontent-type: application/json\r\n";
            wire.write(format!("{head}content-length: 1000\r\n\r\n{{").as_bytes())?;
            let seen = wire.answer()?;
            Expect::Later
                .http(Some(JSON), &seen, strict)
                .map_err(|why| format!("{why}; {}", seen.summary()))?;
            Ok(seen.summary())
        }),
    ]
}

fn content_types(ctx: &Ctx, target: &Target) -> Outcome<String> {
    for (sent, form) in [
        ("application/json; charset=utf-8", JSON),
        ("Application/JSON ;charset=\"utf-8\"", JSON),
        ("APPLICATION/X-PROTOBUF", PROTOBUF),
        ("application/x-protobuf;v=1", PROTOBUF),
    ] {
        let body = if form == JSON { ctx.json().into_bytes() } else { ctx.proto(1) };
        let seen = target.post(&Post::new(sent, body))?;
        Expect::Full
            .http(Some(form), &seen, target.strict)
            .map_err(|why| format!("{sent}: {why}; {}", seen.summary()))?;
    }
    Ok("4 content types".into())
}

fn damaged(ctx: &Ctx, target: &Target) -> Outcome<String> {
    let mut random = Random::seeded(7);
    let mut statuses = std::collections::BTreeMap::<u16, u32>::new();
    for n in 0..200_u64 {
        let mut body = ctx.json().replace("\"traceId\":\"", "\"traceId\":\"00").into_bytes();
        for _ in 0..=n % 4 {
            let at = random.between(0, body.len() as u64) as usize;
            body[at] = random.between(32, 127) as u8;
        }
        let form = if n % 2 == 0 { JSON } else { PROTOBUF };
        let seen = target.post(&Post::new(form, body))?;
        if matches!(seen.status, 408 | 429 | 500..) || seen.header("retry-after").is_some() {
            return Err(seen.summary());
        }
        *statuses.entry(seen.status).or_default() += 1;
    }
    Ok(format!("statuses {statuses:?}"))
}

fn no_cors(seen: Seen) -> Outcome<String> {
    match seen.header("access-control-allow-origin") {
        None => Ok(seen.summary()),
        Some(origin) => Err(format!("opened to {origin}")),
    }
}

fn refused_head(seen: Seen) -> Outcome<String> {
    if matches!(seen.status, 400 | 431) { Ok(seen.summary()) } else { Err(seen.summary()) }
}

fn expects(ctx: &Ctx, target: &Target) -> Outcome<String> {
    let request = proto(ctx).with("expect", "100-continue").bytes();
    let head = request.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let mut wire = Wire::connect(target.http)?;
    wire.write(&request[..head])?;
    let first = wire.answer()?;
    if first.status != 100 {
        return Err(format!("before the body: {}", first.summary()));
    }
    wire.write(&request[head..])?;
    let seen = wire.answer()?;
    Expect::Full.http(Some(PROTOBUF), &seen, target.strict).map(|()| "100, then 200".to_owned())
}

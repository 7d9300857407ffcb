//! Real gateways that Debian does not have and Python packages carry.

use super::proxies::{Proxy, Upstreams, free_port, written};
use crate::support::clients::gateways;
use crate::support::http::Http;
use crate::support::wait_until;
use std::process::Stdio;
use std::time::Duration;

const ENVOY: &str = r#"
admin: { address: { socket_address: { address: 127.0.0.1, port_value: COUNTS } } }
static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: DOOR } }
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: llm
          delayed_close_timeout: 0.1s
          access_log:
          - name: text
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: DIR/text.log
          - name: json
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: DIR/json.log
              log_format:
                json_format:
                  start_time: "%START_TIME%"
                  method: "%REQ(:METHOD)%"
                  path: "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"
                  protocol: "%PROTOCOL%"
                  response_code: "%RESPONSE_CODE%"
                  response_flags: "%RESPONSE_FLAGS%"
                  response_code_details: "%RESPONSE_CODE_DETAILS%"
                  connection_termination_details: "%CONNECTION_TERMINATION_DETAILS%"
                  upstream_transport_failure_reason: "%UPSTREAM_TRANSPORT_FAILURE_REASON%"
                  bytes_received: "%BYTES_RECEIVED%"
                  bytes_sent: "%BYTES_SENT%"
                  duration: "%DURATION%"
                  upstream_service_time: "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"
                  x_forwarded_for: "%REQ(X-FORWARDED-FOR)%"
                  user_agent: "%REQ(USER-AGENT)%"
                  request_id: "%REQ(X-REQUEST-ID)%"
                  authority: "%REQ(:AUTHORITY)%"
                  upstream_host: "%UPSTREAM_HOST%"
                  upstream_cluster: "%UPSTREAM_CLUSTER%"
                  downstream_remote_address: "%DOWNSTREAM_REMOTE_ADDRESS%"
                  traceparent: "%REQ(TRACEPARENT)%"
                  session_id: "%REQ(X-SESSION-ID)%"
          http_filters:
          - name: router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - { match: { safe_regex: { regex: "/t[0-9]+/private/.*" } }, direct_response: { status: 403 } }
              - { match: { safe_regex: { regex: "/t[0-9]+/dead/.*" } }, route: { cluster: dead } }
              - { match: { safe_regex: { regex: "/t[0-9]+/hang/.*" } }, route: { cluster: hang, timeout: 1s } }
              - { match: { prefix: "/" }, route: { cluster: model } }
  clusters:
"#;

const TRAEFIK: &str = r"
entryPoints: { web: { address: 'PORT' }, counts: { address: 'COUNTS' } }
global: { checkNewVersion: false, sendAnonymousUsage: false }
log: { filePath: DIR/messages.log }
accessLog:
  filePath: DIR/access.log
  format: FORMAT
  fields: { headers: { names: { User-Agent: keep, X-Session-Id: keep } } }
metrics: { prometheus: { entryPoint: counts } }
providers: { file: { filename: DIR/routes.yaml } }
";

const ROUTES: &str = r"
http:
  routers:
    model: { rule: 'PathPrefix(`/`)', service: model, entryPoints: [web], priority: 1 }
    dead: { rule: 'PathRegexp(`^/t[0-9]+/dead/`)', service: dead, entryPoints: [web], priority: 2 }
    hang: { rule: 'PathRegexp(`^/t[0-9]+/hang/`)', service: hang, entryPoints: [web], priority: 2 }
    private: { rule: 'PathRegexp(`^/t[0-9]+/private/`)', service: model, middlewares: [nobody], entryPoints: [web], priority: 2 }
  middlewares:
    nobody: { ipAllowList: { sourceRange: [192.0.2.1] } }
  serversTransports:
    hang: { forwardingTimeouts: { responseHeaderTimeout: 1s } }
  services:
    model: { loadBalancer: { servers: [{ url: 'http://MODEL' }] } }
    dead: { loadBalancer: { servers: [{ url: 'http://DEAD' }] } }
    hang: { loadBalancer: { serversTransport: hang, servers: [{ url: 'http://HANG' }] } }
";

/// With its own text and with JSON.
pub(super) fn envoy(to: Upstreams) -> Proxy {
    let (dir, port, counts) = (tempfile::tempdir().unwrap(), free_port(), free_port());
    let mut config =
        ENVOY.replace("DOOR", &port.port().to_string()).replace("COUNTS", &counts.port().to_string());
    for (name, to) in [("model", to.model), ("dead", to.dead), ("hang", to.hang)] {
        let at = format!("{{ socket_address: {{ address: {}, port_value: {} }} }}", to.ip(), to.port());
        let of = format!("[{{ lb_endpoints: [{{ endpoint: {{ address: {at} }} }}] }}]");
        let load = format!("{{ cluster_name: {name}, endpoints: {of} }}");
        config += &format!("  - {{ name: {name}, type: STATIC, load_assignment: {load} }}\n");
    }
    let config = written(&dir, "envoy.yaml", &config);
    let mut command = gateways().command("envoy");
    command.args(["--disable-hot-restart", "--concurrency", "2", "--log-level", "warning", "-c"]).arg(config);
    command.stdout(Stdio::null());
    Proxy::start(dir, command, port, counts, &[("text.log", "envoy"), ("json.log", "envoy")])
}

/// It has one access log, `common` or `json`.
pub(super) fn traefik(to: Upstreams, format: &str) -> Proxy {
    let (dir, port, counts) = (tempfile::tempdir().unwrap(), free_port(), free_port());
    let routes = ROUTES.replace("MODEL", &to.model.to_string()).replace("DEAD", &to.dead.to_string());
    written(&dir, "routes.yaml", &routes.replace("HANG", &to.hang.to_string()));
    let config = TRAEFIK.replace("PORT", &port.to_string()).replace("COUNTS", &counts.to_string());
    let config = written(&dir, "traefik.yaml", &config.replace("FORMAT", format));
    let mut command = gateways().command("traefik");
    command.arg(format!("--configFile={}", config.display())).stdout(Stdio::null());
    let proxy = Proxy::start(dir, command, port, counts, &[("access.log", "traefik")]);
    // Until it has read them it answers 404, at first without counting or logging it.
    wait_until("its routes are in force", Duration::from_secs(60), || {
        let mut client = Http::connect(port).unwrap();
        client.get("/t999999/private/").unwrap().status == 403
    });
    proxy
}

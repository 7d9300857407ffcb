//! Real reverse proxies from Debian's packages, each with a configuration of its own, on loopback ports, in
//! a directory of its own. The services of the packages are not touched.

use crate::support::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PACKAGES: [&str; 4] = ["nginx-light", "caddy", "haproxy", "apache2"];
const LIMIT: Duration = Duration::from_secs(60);

/// Where requests go, by the path's second segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Upstreams {
    pub(super) model: SocketAddr,
    /// Nothing listens there.
    pub(super) dead: SocketAddr,
    /// Takes connections and never answers.
    pub(super) hang: SocketAddr,
}

/// A proxy that runs; killed when dropped.
pub(super) struct Proxy {
    child: Child,
    pub(super) dir: tempfile::TempDir,
    pub(super) port: SocketAddr,
    /// Where it tells its counts.
    pub(super) counts: SocketAddr,
    /// Whatever it logs: path and format.
    pub(super) logs: Vec<(PathBuf, &'static str)>,
}

/// A free port on loopback.
pub(super) fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The program, from a package that is installed when it is missing.
fn program(name: &str) -> PathBuf {
    let find = || {
        ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
            .iter()
            .map(|dir| Path::new(dir).join(name))
            .find(|path| path.exists())
    };
    if let Some(path) = find() {
        return path;
    }
    let lock = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages.lock")).unwrap();
    lock.lock().unwrap();
    if find().is_none() {
        let apt = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            // The run level of no service at all: nothing is started.
            command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
            let out = command.output().unwrap_or_else(|error| panic!("apt-get: {error}"));
            (out.status.success(), String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
        };
        let install = [&["install", "-y", "--no-install-recommends"], &PACKAGES[..]].concat();
        if !apt(&install).0 {
            let _ = apt(&["update"]);
            let (done, said) = apt(&install);
            assert!(
                done,
                "these tests need Debian's {}, and can't install them:\n{said}",
                PACKAGES.join(", ")
            );
        }
    }
    find().unwrap_or_else(|| panic!("{name} is not where Debian has it, though its package is installed"))
}

impl Proxy {
    pub(super) fn start(
        dir: tempfile::TempDir,
        mut command: Command,
        port: SocketAddr,
        counts: SocketAddr,
        logs: &[(&str, &'static str)],
    ) -> Self {
        let output = File::create(dir.path().join("output")).unwrap();
        command.stdin(Stdio::null()).stderr(output.try_clone().unwrap()).env("HOME", dir.path());
        let logs = logs.iter().map(|(name, format)| (dir.path().join(name), *format)).collect();
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut proxy = Self { child, dir, port, counts, logs };
        wait_until("the proxy listens", LIMIT, || {
            assert!(proxy.child.try_wait().unwrap().is_none(), "the proxy ended:\n{}", proxy.output());
            TcpStream::connect(port).is_ok()
        });
        proxy
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.path().join("output")).unwrap_or_default()).into_owned()
    }

    /// Ends it as its operator would, with all requests answered and logged. Its directory stays.
    pub(super) fn stop(mut self, signal: Signal) -> (tempfile::TempDir, Vec<(PathBuf, &'static str)>) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        wait_until("the proxy ends", LIMIT, || self.child.try_wait().unwrap().is_some());
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        (dir, std::mem::take(&mut self.logs))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("the proxy's output:\n{}", self.output());
        }
    }
}

pub(super) fn written(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, text.replace("DIR", dir.path().to_str().unwrap())).unwrap();
    path
}

pub(super) fn nginx(to: Upstreams) -> Proxy {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let config = r#"
daemon off; worker_processes 1; pid DIR/pid; error_log DIR/error.log warn; USER
events { worker_connections 256; }
http {
  client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
  log_format json escape=json '{"msec":"$msec","request_id":"$request_id","remote_addr":"$remote_addr","remote_user":"$remote_user","method":"$request_method","host":"$host","request_uri":"$request_uri","status":$status,"body_bytes_sent":$body_bytes_sent,"request_length":$request_length,"request_time":$request_time,"upstream_addr":"$upstream_addr","upstream_status":"$upstream_status","upstream_response_time":"$upstream_response_time","http_user_agent":"$http_user_agent","session_id":"$http_x_session_id","traceparent":"$http_traceparent"}';
  log_format upstream '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" rt=$request_time urt="$upstream_response_time" rid=$request_id traceparent=$http_traceparent';
  access_log DIR/combined.log combined; access_log DIR/json.log json; access_log DIR/upstream.log upstream;
  client_max_body_size 64k; large_client_header_buffers 4 16k; proxy_read_timeout 1s;
  server { listen PORT;
    location / { proxy_pass http://MODEL; }
    location ~ ^/t[0-9]+/dead/ { proxy_pass http://DEAD; }
    location ~ ^/t[0-9]+/hang/ { proxy_pass http://HANG; }
    location ~ ^/t[0-9]+/private/ { return 403; }
    location = /requests { access_log off; stub_status; } } }
"#;
    let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
    let config = written(&dir, "nginx.conf", &filled(config, port, to).replace("USER", user));
    let mut command = Command::new(program("nginx"));
    command
        .arg("-p")
        .arg(dir.path())
        .arg("-e")
        .arg(dir.path().join("error.log"))
        .arg("-c")
        .arg(config)
        .stdout(Stdio::null());
    let logs = [("combined.log", "combined"), ("json.log", "nginx"), ("upstream.log", "nginx")];
    Proxy::start(dir, command, port, port, &logs)
}

pub(super) fn apache(to: Upstreams) -> Proxy {
    let (dir, port, counts) = (tempfile::tempdir().unwrap(), free_port(), free_port());
    let config = r#"
ServerRoot DIR
ServerName llm.example.internal
PidFile DIR/httpd.pid
Listen PORT
Listen COUNTS
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
LoadModule unique_id_module /usr/lib/apache2/modules/mod_unique_id.so
LoadModule status_module /usr/lib/apache2/modules/mod_status.so
ExtendedStatus On
ErrorLog DIR/error.log
DefaultRuntimeDir DIR
Mutex file:DIR default
LogFormat "%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"" combined
LogFormat "%v:%p %h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"" vhost_combined
LogFormat "{\"time\":\"%{%Y-%m-%dT%H:%M:%S}t.%{msec_frac}t%{%z}t\",\"id\":\"%{UNIQUE_ID}e\",\"client\":\"%a\",\"method\":\"%m\",\"path\":\"%U\",\"query\":\"%q\",\"status\":%>s,\"bytes\":%B,\"duration_us\":%D,\"user_agent\":\"%{User-Agent}i\",\"session\":\"%{X-Session-Id}i\"}" json
CustomLog DIR/combined.log combined
CustomLog DIR/vhosts.log vhost_combined
CustomLog DIR/json.log json
LimitRequestLine 16000
ProxyTimeout 1
ProxyPassMatch "^(/t[0-9]+/dead/.*)$" "http://DEAD$1"
ProxyPassMatch "^(/t[0-9]+/hang/.*)$" "http://HANG$1"
<LocationMatch "^/t[0-9]+/private/">
Require all denied
</LocationMatch>
<VirtualHost PORT>
ProxyPass / http://MODEL/
</VirtualHost>
<VirtualHost COUNTS>
CustomLog DIR/counts.log combined
<Location /requests>
SetHandler server-status
</Location>
</VirtualHost>
"#;
    let config = filled(config, port, to).replace("COUNTS", &counts.to_string());
    let config = written(&dir, "httpd.conf", &config);
    let mut command = Command::new(program("apache2"));
    command.arg("-DFOREGROUND").arg("-f").arg(config).stdout(Stdio::null());
    Proxy::start(
        dir,
        command,
        port,
        counts,
        &[("combined.log", "apache"), ("vhosts.log", "apache"), ("json.log", "apache")],
    )
}

pub(super) fn caddy(to: Upstreams) -> Proxy {
    let (dir, port, counts) = (tempfile::tempdir().unwrap(), free_port(), free_port());
    let config = r"
{
	admin COUNTS
	auto_https off
	servers {
		metrics
	}
}
http://:NUMBER {
	bind 127.0.0.1
	log {
		output file DIR/access.log {
			roll_disabled
		}
	}
	@dead path_regexp ^/t[0-9]+/dead/
	@hang path_regexp ^/t[0-9]+/hang/
	@private path_regexp ^/t[0-9]+/private/
	respond @private 403
	reverse_proxy @dead DEAD
	reverse_proxy @hang HANG {
		transport http {
			response_header_timeout 1s
		}
	}
	reverse_proxy MODEL
}
";
    let config = filled(config, port, to).replace("NUMBER", &port.port().to_string());
    let config = config.replace("COUNTS", &counts.to_string());
    let config = written(&dir, "Caddyfile", &config);
    let mut command = Command::new(program("caddy"));
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(config).stdout(Stdio::null());
    command.env("XDG_DATA_HOME", dir.path()).env("XDG_CONFIG_HOME", dir.path());
    Proxy::start(dir, command, port, counts, &[("access.log", "caddy")])
}

/// It logs to its standard output, here a file: the text of its own and JSON, each from a frontend.
/// With one thread: of two that log at the same time HAProxy may drop a line rather than have one wait.
pub(super) fn haproxy(to: Upstreams) -> (Proxy, SocketAddr) {
    let dir = tempfile::tempdir().unwrap();
    let (port, json, counts) = (free_port(), free_port(), free_port());
    let config = r#"
global
  nbthread 1
  log stdout len 4096 format raw local0
  stats socket COUNTS level user
  tune.bufsize 32768
defaults
  mode http
  log global
  option httplog
  timeout connect 2s
  timeout client 5s
  timeout server 1s
  default_backend model
frontend text
  bind PORT
  RULES
frontend json
  bind JSON
  log-format '{"tr":"%tr","ci":"%ci","HM":"%HM","HU":%{+Q,+E}HU,"ST":%ST,"B":%B,"Ta":%Ta,"Tr":%Tr,"ts":"%ts","s":"%s"}'
  RULES
backend model
  server model MODEL
backend dead
  retries 0
  server dead DEAD
backend hang
  server hang HANG
"#;
    let rules = "http-request deny if { path_sub /private/ }\n  use_backend dead if { path_sub /dead/ }\n  use_backend hang if { path_sub /hang/ }";
    let config = filled(config, port, to).replace("JSON", &json.to_string()).replace("RULES", rules);
    let config = config.replace("COUNTS", &counts.to_string());
    let config = written(&dir, "haproxy.cfg", &config);
    let mut command = Command::new(program("haproxy"));
    command.arg("-db").arg("-f").arg(config).stdout(File::create(dir.path().join("access.log")).unwrap());
    (Proxy::start(dir, command, port, counts, &[("access.log", "haproxy")]), json)
}

fn filled(config: &str, port: SocketAddr, to: Upstreams) -> String {
    let config = config.replace("PORT", &port.to_string()).replace("MODEL", &to.model.to_string());
    config
        .replace("http://DEAD", &format!("http://{}", to.dead))
        .replace(" DEAD", &format!(" {}", to.dead))
        .replace("HANG", &to.hang.to_string())
}

#![allow(clippy::unwrap_used)]

use super::*;
use crate::pipeline::batch::Receipt;
use crate::pipeline::intake::Job;
use crate::pipeline::refusal::Large;
use halod_record::draft::GENESIS;
use halod_record::time;
use serde_json::Value;
use std::sync::mpsc as std_mpsc;

/// What a writer sealed.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Value>>>);

impl Told {
    fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// A writer that answers with `answers` in turn, then with success, and keeps what it sealed.
fn writer(answers: Vec<Refusal>) -> (Intake, Told) {
    let (jobs, queue) = std_mpsc::channel::<Job>();
    let told = Told::default();
    let seal = {
        let told = told.clone();
        let mut answers = answers.into_iter();
        move |Job { batch, reply, .. }: Job| {
            if let Some(refusal) = answers.next() {
                reply.send(Err(refusal));
                return;
            }
            for draft in &batch.drafts {
                let mut line = Vec::new();
                draft.seal(&GENESIS, &time::rfc3339(1), &mut line);
                told.0.lock().unwrap().push(serde_json::from_slice(&line).unwrap());
            }
            reply.send(Ok(Receipt::default()));
        }
    };
    tokio::spawn(async move {
        let mut seal = seal;
        loop {
            match queue.try_recv() {
                Ok(job) => seal(job),
                Err(std_mpsc::TryRecvError::Empty) => tokio::time::sleep(Duration::from_millis(1)).await,
                Err(std_mpsc::TryRecvError::Disconnected) => return,
            }
        }
    });
    (Intake::with_writer(jobs, 1000), told)
}

fn loss<'a>(reason: &'static str, tenant: Option<&'a Tenant>) -> Loss<'a> {
    Loss { receiver: "litellm", reason, tenant, bytes: 10, items: 1 }
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn one_notice_a_tenant_and_interval_says_everything() {
    let (intake, told) = writer(vec![]);
    let (gaps, sealer) = gaps();
    let acme = Tenant::Subject("acme".into());
    let running = tokio::spawn(sealer.run(intake, Arc::default(), MINUTE));
    for _ in 0..1000 {
        gaps.note(loss("full", None));
        gaps.note(loss("full", Some(&acme)));
    }
    gaps.note(loss("too_large", Some(&acme)));
    tokio::time::sleep(MINUTE + RETRY).await;
    let [local, acme] = <[Value; 2]>::try_from(told.take()).unwrap();
    assert_eq!(local["action"]["tool"], "halod.gap");
    assert_eq!((local["subject"].is_null(), acme["subject"]["id"].as_str()), (true, Some("acme")));
    assert_eq!((&local["data"]["requests"], &local["data"]["litellm.full"]), (&1000.into(), &1000.into()));
    assert_eq!(acme["data"]["bytes"], 10_010);
    assert_eq!((&acme["data"]["items"], &acme["data"]["litellm.too_large"]), (&1001.into(), &1.into()));
    assert_eq!((&local["data"]["tenant"], &acme["data"]["tenant"]), (&"unknown".into(), &Value::Null));
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(told.take().len(), 0);
    gaps.note(loss("full", None));
    drop(gaps);
    running.await.unwrap();
    let [last] = <[Value; 1]>::try_from(told.take()).unwrap();
    assert_eq!(last["data"]["requests"], 1, "what is left is said at the end");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sealed_is_sealed_later_and_once() {
    let full = Refusal::Full { limit: 1, retry_after: RETRY };
    let (intake, told) = writer(vec![full.clone(), full]);
    intake.stats().disk_low.store(true, Relaxed);
    let (gaps, sealer) = gaps();
    let running = tokio::spawn(sealer.run(intake.clone(), Arc::default(), MINUTE));
    gaps.note(loss("disk_low", None));
    tokio::time::sleep(2 * MINUTE).await;
    gaps.note(loss("disk_low", None));
    assert_eq!(told.take().len(), 0);
    intake.stats().disk_low.store(false, Relaxed);
    tokio::time::sleep(5 * RETRY).await;
    drop((gaps, intake));
    running.await.unwrap();
    let [notice] = <[Value; 1]>::try_from(told.take()).unwrap();
    assert_eq!(notice["data"]["litellm.disk_low"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_cannot_be_had_leaves_its_gap_to_the_local_one() {
    let (intake, told) = writer(vec![Refusal::ChainUnusable]);
    let (gaps, sealer) = gaps();
    let running = tokio::spawn(sealer.run(intake, Arc::default(), MINUTE));
    gaps.note(loss("full", Some(&Tenant::Subject("made up".into()))));
    drop(gaps);
    running.await.unwrap();
    let [notice] = <[Value; 1]>::try_from(told.take()).unwrap();
    assert!(notice["subject"].is_null());
    assert_eq!(notice["data"]["tenant"], "others");
}

/// A tenant that may begin no chain is told of in the local one, at once.
#[test]
fn a_tenant_without_a_chain_is_told_of_in_the_local_one() {
    let (gaps, sealer) = gaps();
    let made_up = Tenant::Subject("made up".into());
    gaps.refused(Sender::Retries, &Fault::Refused(Refusal::TooManyTenants), loss("refused", Some(&made_up)));
    let ledger = sealer.lock();
    assert_eq!(ledger.keys().collect::<Vec<_>>(), [&None]);
}

#[test]
fn made_up_tenants_share_the_local_chain() {
    let (gaps, sealer) = gaps();
    for n in 0..1000 {
        gaps.note(loss("full", Some(&Tenant::Subject(n.to_string().into()))));
    }
    let ledger = sealer.lock();
    assert!(ledger.len() <= MOST_TENANTS + 1);
    assert_eq!(ledger.values().map(|counter| counter.requests).sum::<u64>(), 1000);
}

#[test]
fn only_what_is_lost_is_a_gap() {
    let full = Fault::Refused(Refusal::Full { limit: 1, retry_after: RETRY });
    assert!(loses(Sender::SendsOnce, &full) && !loses(Sender::Retries, &full));
    let large = Fault::Refused(Refusal::TooLarge { what: Large::Body, limit: 1 });
    assert!(loses(Sender::SendsOnce, &large) && loses(Sender::Retries, &large));
    assert!(!loses(Sender::SendsOnce, &Fault::Method));
    assert!(loses(Sender::Retries, &Fault::Refused(Refusal::TooManyTenants)));
}

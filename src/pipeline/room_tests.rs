use crate::pipeline::arriving::{Arriving, FIRST, Patience};
use crate::pipeline::intake::Intake;
use crate::pipeline::refusal::{Large, Refusal};
use std::sync::mpsc;
use std::time::Duration;
use tokio::time::{Instant, advance, timeout};

const LIMIT: usize = 64 * FIRST;

fn intake() -> Intake {
    Intake::with_writer(mpsc::channel().0, LIMIT)
}

async fn push(arriving: &mut Arriving, bytes: usize) -> Result<(), Refusal> {
    arriving.push(&vec![b'x'; bytes]).await
}

fn full(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Full { .. })
}

#[tokio::test(start_paused = true)]
async fn what_is_declared_and_does_not_come_takes_next_to_nothing() {
    let intake = intake();
    let heads: Vec<_> = (0..32).map(|_| intake.arrive(Some(LIMIT / 4)).unwrap()).collect();
    assert_eq!(intake.in_flight(), 32 * FIRST);
    assert_eq!(
        intake.arrive(Some(LIMIT + 1)).unwrap_err(),
        Refusal::TooLarge { what: Large::Held, limit: LIMIT }
    );
    let mut honest = intake.arrive(Some(8 * FIRST)).unwrap();
    push(&mut honest, 8 * FIRST).await.unwrap();
    let (body, permit) = honest.finish().unwrap();
    assert_eq!((body.len(), intake.in_flight()), (8 * FIRST, 40 * FIRST));
    drop((heads, permit));
    assert_eq!((intake.in_flight(), intake.stats().cut.get()), (0, 0));
}

#[test]
fn a_part_is_for_small_requests() {
    let intake = intake();
    let all = intake.admit(LIMIT).unwrap();
    drop(all);
    let mut large = intake.admit(40 * FIRST).unwrap();
    assert!(full(&intake.admit(20 * FIRST).unwrap_err()));
    let others = intake.admit(16 * FIRST).unwrap();
    assert!(full(&large.grow_to(41 * FIRST).unwrap_err()));
    let small: Vec<_> = (0..8).map(|_| intake.admit(FIRST).unwrap()).collect();
    assert!(full(&intake.admit(FIRST).unwrap_err()));
    drop((others, small));
    large.grow_to(LIMIT).unwrap();
}

#[tokio::test(start_paused = true)]
async fn when_there_is_no_room_the_slowest_body_goes_first() {
    let intake = intake();
    let mut bodies = Vec::new();
    for _ in 0..4 {
        let mut body = intake.arrive(None).unwrap();
        push(&mut body, 14 * FIRST).await.unwrap();
        bodies.push(body);
    }
    let small: Vec<_> = (0..8).map(|_| intake.admit(FIRST).unwrap()).collect();
    // As long as all of them are young nobody is slow.
    assert!(full(&intake.admit(FIRST).unwrap_err()));
    for _ in 0..30 {
        advance(Duration::from_millis(100)).await;
        // Bodies of no length hold as much as before; their pace is another matter.
        for (body, bytes) in bodies.iter_mut().zip([200_000, 3000, 1000, 2000]) {
            body.pace_for_test(bytes);
        }
    }
    let permit = intake.admit(FIRST).unwrap();
    assert_eq!((intake.stats().cut.get(), intake.in_flight()), (1, 51 * FIRST));
    assert_eq!(push(&mut bodies[2], 1).await, Err(Refusal::BodyCut), "the slowest");
    timeout(Duration::ZERO, bodies[2].cut()).await.unwrap();
    assert_eq!(bodies.remove(2).finish().unwrap_err(), Refusal::BodyCut);
    assert_eq!(intake.in_flight(), 51 * FIRST, "its room was given back once");
    // Then the next ones, but never what comes at a network's speed.
    let more = intake.admit(33 * FIRST).unwrap();
    assert_eq!(intake.stats().cut.get(), 3);
    assert!(full(&intake.admit(9 * FIRST).unwrap_err()));
    assert!(push(&mut bodies[0], 1).await.is_err_and(|refusal| full(&refusal)));
    assert!(bodies.swap_remove(0).finish().is_ok());
    drop((permit, more, bodies, small));
    assert_eq!(intake.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_itself_cuts_only_who_is_slower_still() {
    let intake = intake();
    let mut bodies = Vec::new();
    for _ in 0..2 {
        let mut body = intake.arrive(None).unwrap();
        push(&mut body, 28 * FIRST).await.unwrap();
        bodies.push(body);
    }
    advance(Duration::from_secs(3)).await;
    bodies[0].pace_for_test(5000);
    bodies[1].pace_for_test(6000);
    assert!(push(&mut bodies[1], 1).await.is_err_and(|refusal| full(&refusal)));
    assert!(push(&mut bodies[0], 1).await.is_err_and(|refusal| full(&refusal)));
    assert_eq!(intake.stats().cut.get(), 0);
    bodies[0].pace_for_test(50_000);
    assert!(push(&mut bodies[0], 1).await.is_ok());
    assert_eq!(push(&mut bodies[1], 1).await, Err(Refusal::BodyCut));
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_served_in_the_end_and_is_not_cut_for_waiting() {
    let intake = intake();
    let patience = Patience { need: 40 * FIRST, until: Instant::now() + Duration::from_secs(60) };
    let settled = intake.admit(20 * FIRST).unwrap();
    let bodies = (0..3).map(|_| {
        let intake = intake.clone();
        tokio::spawn(async move {
            let mut body = intake.arrive_by(None, patience).await?;
            for _ in 0..20 {
                push(&mut body, FIRST).await?;
                tokio::task::yield_now().await;
            }
            let (body, mut permit) = body.finish()?;
            permit.grow_by(40 * FIRST, patience.until).await?;
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok::<_, Refusal>(body.len())
        })
    });
    let bodies: Vec<_> = bodies.collect();
    tokio::time::sleep(Duration::from_secs(10)).await;
    drop(settled);
    for body in bodies {
        assert_eq!(body.await.unwrap(), Ok(20 * FIRST));
    }
    assert_eq!((intake.in_flight(), intake.stats().cut.get()), (0, 0));
    assert_eq!(intake.stats().refused[0].get(), 0, "who is served was not refused");
    assert!(Instant::now() < patience.until);
}

#[tokio::test(start_paused = true)]
async fn bodies_that_say_they_wait_and_do_not_come_keep_nobody_from_the_room() {
    let intake = intake();
    let patience = Patience { need: LIMIT, until: Instant::now() + Duration::from_secs(5) };
    let mut idle = Vec::new();
    for _ in 0..4 {
        let mut body = intake.arrive_by(Some(LIMIT), patience).await.unwrap();
        if idle.is_empty() {
            push(&mut body, 30 * FIRST).await.unwrap();
        }
        idle.push(body);
    }
    advance(Duration::from_millis(3500)).await;
    let mut honest = intake.arrive_by(Some(30 * FIRST), patience).await.unwrap();
    let began = Instant::now();
    push(&mut honest, 30 * FIRST).await.unwrap();
    let (_, mut permit) = honest.finish().unwrap();
    permit.grow_by(50 * FIRST, patience.until).await.unwrap();
    assert_eq!((Instant::now(), intake.stats().cut.get() > 0), (began, true));
}

#[tokio::test(start_paused = true)]
async fn only_so_many_wait() {
    let intake = intake();
    let _all = intake.admit(LIMIT).unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    let began = Instant::now();
    let waiters: Vec<_> = (0..20)
        .map(|_| {
            let intake = intake.clone();
            tokio::spawn(async move {
                let refused = intake.arrive_by(None, Patience { need: FIRST, until }).await.is_err();
                (refused, began.elapsed())
            })
        })
        .collect();
    let mut at_once = 0;
    for waiter in waiters {
        let (refused, after) = waiter.await.unwrap();
        assert!(refused);
        at_once += usize::from(after.is_zero());
    }
    assert_eq!(at_once, 4);
}

use super::*;

/// A process whose parent is `parent`; it lives, and did nothing.
fn process(pid: u32, parent: u32, program: &str) -> Candidate {
    Candidate {
        id: WorkerId::new(pid, u64::from(pid)),
        parent,
        program: program.into(),
        command: program.into(),
        waits: false,
        named: false,
        listens: Some(false),
        accepted: false,
        cpu: 0.0,
        read_for: 10.0,
        lives: true,
        crashed: false,
    }
}

fn listening(process: Candidate, cpu: f64) -> Candidate {
    Candidate { listens: Some(true), cpu, ..process }
}

fn busy(process: Candidate, cpu: f64) -> Candidate {
    Candidate { cpu, ..process }
}

fn waiting(process: Candidate) -> Candidate {
    Candidate { waits: true, ..process }
}

/// PIDs of those that the rule covers, and why.
#[track_caller]
fn chosen(candidates: &[Candidate]) -> (Vec<u32>, Vec<Choosing>) {
    let (rule, chosen) = choose(candidates, &[]).unwrap();
    let covered = candidates.iter().filter(|candidate| rule.covers(candidate)).map(|c| c.id.pid).collect();
    assert!(chosen.groups.iter().all(|group| group.count > 0));
    (covered, chosen.groups.iter().map(|group| group.because).collect())
}

/// A prefork pool behind a shell.
fn pool() -> Vec<Candidate> {
    vec![
        waiting(process(10, 1, "sh")),
        listening(process(11, 10, "python"), 0.01),
        listening(process(12, 11, "python"), 0.4),
        listening(process(13, 11, "python"), 0.0),
    ]
}

#[test]
fn a_pool_is_its_children_that_serve_idle_ones_too() {
    assert_eq!(chosen(&pool()), (vec![12, 13], vec![Choosing::Serving]));
    let mut at_rest = pool();
    at_rest[2].cpu = 0.0;
    assert_eq!(chosen(&at_rest), (vec![12, 13], vec![Choosing::Listening]));
    at_rest[1].accepted = true;
    assert_eq!(chosen(&at_rest), (vec![11], vec![Choosing::Listening]));
}

#[test]
fn whom_the_log_names_is_a_worker_with_its_siblings() {
    let mut pool = pool();
    pool[1].cpu = 5.0;
    pool[3].named = true;
    assert_eq!(chosen(&pool), (vec![12, 13], vec![Choosing::Named]));
    pool[2].named = true;
    pool[2].program = "other".into();
    assert_eq!(chosen(&pool), (vec![12, 13], vec![Choosing::Named, Choosing::Named]));
}

#[test]
fn a_sibling_without_the_socket_is_no_worker() {
    let mut pool = pool();
    pool.push(busy(process(14, 11, "python"), 0.02));
    assert_eq!(chosen(&pool).0, [12, 13]);
    // And one that comes later is none.
    let (rule, _) = choose(&pool, &[]).unwrap();
    assert!(rule.covers(&listening(process(15, 11, "python"), 0.0)) && !rule.covers(&process(16, 11, "python")));
    assert!(!rule.covers(&listening(process(17, 12, "python"), 0.0)), "a child of a worker");
}

#[test]
fn a_parent_that_serves_and_has_helpers_is_the_worker() {
    let helper = process(12, 11, "python");
    let server = listening(process(11, 10, "python"), 0.5);
    assert_eq!(chosen(&[server.clone(), helper]), (vec![11], vec![Choosing::Serving]));
    // A helper that was forked has the socket too.
    assert_eq!(chosen(&[server, listening(process(12, 11, "python"), 0.01)]), (vec![11], vec![Choosing::Serving]));
}

#[test]
fn a_parent_that_serves_like_its_children_is_a_worker_beside_them() {
    let mut all = [listening(process(11, 1, "uwsgi"), 0.3), listening(process(12, 11, "uwsgi"), 0.4)];
    assert_eq!(chosen(&all).0, [12], "it keeps accounts, perhaps, but answers nobody");
    all[0].accepted = true;
    assert_eq!(chosen(&all), (vec![11, 12], vec![Choosing::Serving; 2]));
}

#[test]
fn children_to_whom_a_parent_hands_connections_are_the_workers() {
    let children = [12, 13].map(|pid| busy(process(pid, 11, "node"), 0.4));
    let all = [vec![listening(process(11, 1, "node"), 0.3)], children.to_vec()].concat();
    assert_eq!(chosen(&all), (vec![12, 13], vec![Choosing::SameProgram]));
}

#[test]
fn a_busy_helper_that_only_holds_the_socket_is_no_worker() {
    let serves = |pid: u32| Candidate { accepted: true, ..listening(process(pid, 10, "perl"), 0.1) };
    let all = [listening(process(10, 1, "perl"), 0.0), serves(11), serves(12), listening(process(13, 10, "burn"), 5.0)];
    assert_eq!(chosen(&all), (vec![11, 12], vec![Choosing::Serving]));
}

#[test]
fn of_two_programs_that_listen_the_busier_one_works() {
    let all = [
        waiting(process(10, 1, "sh")),
        listening(process(11, 10, "nginx"), 0.0),
        listening(process(12, 11, "nginx"), 0.1),
        listening(process(13, 10, "php-fpm"), 0.0),
        listening(process(14, 13, "php-fpm"), 0.5),
    ];
    assert_eq!(chosen(&all), (vec![14], vec![Choosing::Serving]));
}

#[test]
fn a_busy_neighbour_that_serves_nobody_is_no_worker() {
    let mut all = pool();
    all.push(busy(process(20, 11, "sh"), 9.0));
    assert_eq!(chosen(&all).0, [12, 13]);
}

#[test]
fn without_sockets_children_of_the_same_program_work_or_the_process_itself() {
    let parent = process(11, 1, "celery");
    let children = [12, 13].map(|pid| busy(process(pid, 11, "celery"), 0.2));
    let all = |parent: Candidate| [vec![parent], children.to_vec()].concat();
    assert_eq!(chosen(&all(parent.clone())), (vec![12, 13], vec![Choosing::SameProgram]));
    assert_eq!(chosen(&all(busy(parent.clone(), 5.0))), (vec![11], vec![Choosing::Itself]));
    assert_eq!(chosen(std::slice::from_ref(&parent)), (vec![11], vec![Choosing::Itself]));
    // Who does what may not be read.
    let unread = Candidate { listens: None, ..process(12, 11, "celery") };
    assert_eq!(chosen(&[Candidate { listens: None, ..parent }, unread]).0, [12]);
}

#[test]
fn what_only_waits_is_passed_over() {
    let env = waiting(process(10, 1, "timeout"));
    assert_eq!(chosen(&[env.clone(), process(11, 10, "php")]), (vec![11], vec![Choosing::Itself]));
    // A script isn't known as one that waits, but does nothing else.
    let script = process(10, 1, "bash");
    let worker = process(11, 10, "php");
    assert_eq!(chosen(&[script.clone(), worker.clone()]).0, [10]);
    assert_eq!(chosen(&[script.clone(), busy(worker.clone(), 0.5)]).0, [11]);
    assert_eq!(chosen(&[busy(script, 0.1), busy(worker, 0.5)]).0, [10], "it works itself");
    assert_eq!(chosen(&[env]).0, [10], "there is nothing else");
}

#[test]
fn of_several_services_the_one_that_works_is_meant() {
    let beside = process(9, 1, "sleep");
    let workers = [12, 13].map(|pid| busy(process(pid, 11, "celery"), 0.2));
    let all = [vec![beside, process(11, 1, "celery")], workers.to_vec()].concat();
    assert_eq!(chosen(&all), (vec![12, 13], vec![Choosing::SameProgram]));
}

#[test]
fn workers_that_are_replaced_are_known_by_those_that_ended() {
    let ended = Candidate { lives: false, named: true, cpu: 0.3, ..process(12, 11, "python") };
    let all = [process(11, 1, "python"), ended.clone(), process(40, 11, "python")];
    assert_eq!(chosen(&all), (vec![12, 40], vec![Choosing::Named]));
    assert_eq!(choose(&[ended], &[]), None);
}

#[test]
fn who_forks_for_each_connection_is_the_worker_itself() {
    let child =
        |pid: u32, lives: bool| Candidate { lives, read_for: 0.4, ..listening(process(pid, 11, "python"), 0.1) };
    let parent = listening(process(11, 1, "python"), 0.01);
    let mut all = vec![parent, child(20, false), child(21, false), child(22, false), child(23, true)];
    assert_eq!(chosen(&all), (vec![11], vec![Choosing::Outlives]));
    all[0].cpu = 2.0;
    assert_eq!(chosen(&all), (vec![11], vec![Choosing::Outlives]), "it reads what they say, perhaps");
    all[0].cpu = 0.01;
    all[2].named = true;
    assert_eq!(chosen(&all).1, [Choosing::Named], "the log says that they are meant");
    all[2].named = false;
    all[2].crashed = true;
    assert_eq!(chosen(&all).1, [Choosing::Serving], "workers that don't even start");
    all[2].crashed = false;
    // One that stays beside some that helped it to start.
    all[4].read_for = 2.0;
    assert_eq!(chosen(&all), (vec![20, 21, 22, 23], vec![Choosing::Serving]));
    all[1].read_for = 2.0;
    all[4].read_for = 0.5;
    assert_eq!(chosen(&all).1, [Choosing::Serving], "they are recycled, and live for seconds");
}

#[test]
fn a_loop_is_the_worker_not_what_it_runs() {
    let script = process(10, 1, "sh");
    let sleep = |pid: u32, lives: bool| Candidate { lives, read_for: 0.2, ..busy(process(pid, 10, "sleep"), 0.01) };
    let all = [script, sleep(11, false), sleep(12, false), sleep(13, true)];
    assert_eq!(chosen(&all), (vec![10], vec![Choosing::Outlives]));
}

#[test]
fn a_process_that_was_named_by_its_pid_is_meant_alone() {
    let root = listening(process(11, 1, "python"), 0.4);
    let (rule, told) = choose(std::slice::from_ref(&root), &[root.id]).unwrap();
    assert_eq!(rule.parts, [Part::Process(root.id)]);
    assert_eq!((told.groups[0].parent.clone(), told.groups[0].pids.clone()), (None, vec![11]));
}

#[test]
fn of_several_processes_each_has_its_workers() {
    let all = [pool(), vec![busy(process(30, 1, "php"), 0.1), process(40, 1, "php")]].concat();
    let id = |pid: u32| WorkerId::new(pid, u64::from(pid));
    let covered = |roots: &[u32]| {
        let (rule, told) = choose(&all, &roots.iter().copied().map(id).collect::<Vec<_>>()).unwrap();
        (all.iter().filter(|c| rule.covers(c)).map(|c| c.id.pid).collect::<Vec<_>>(), told.groups.len())
    };
    assert_eq!(covered(&[30, 40]), (vec![30, 40], 2));
    assert_eq!(covered(&[10, 30]), (vec![12, 13, 30], 2));
    assert_eq!(covered(&[11, 12, 13]), (vec![12, 13], 1), "a parent and its workers");
    assert_eq!(covered(&[12, 40]), (vec![12, 40], 2));
}

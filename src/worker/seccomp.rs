//! Linux: the system calls of decoding, and Landlock.

use std::collections::BTreeMap;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetError, RulesetStatus,
    Scope,
};
use libc::{
    SYS_brk, SYS_clock_getres, SYS_clock_gettime, SYS_clock_nanosleep, SYS_clone, SYS_clone3,
    SYS_close, SYS_exit, SYS_exit_group, SYS_fcntl, SYS_fstat, SYS_futex, SYS_getcpu, SYS_getpid,
    SYS_getppid, SYS_getrandom, SYS_gettid, SYS_gettimeofday, SYS_lseek, SYS_madvise,
    SYS_membarrier, SYS_mmap, SYS_mprotect, SYS_mremap, SYS_munmap, SYS_nanosleep, SYS_newfstatat,
    SYS_ppoll, SYS_pread64, SYS_preadv, SYS_read, SYS_readv, SYS_recvfrom, SYS_recvmsg,
    SYS_restart_syscall, SYS_rseq, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
    SYS_sched_getaffinity, SYS_sched_yield, SYS_sendmsg, SYS_sendto, SYS_set_robust_list,
    SYS_set_tid_address, SYS_sigaltstack, SYS_statx, SYS_sysinfo, SYS_tgkill, SYS_uname, SYS_write,
    SYS_writev,
};
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

/// What decoding needs: memory, time, threads of its own, and descriptors that are there already.
const CALLS: &[i64] = &[
    // Descriptors that are open.
    SYS_close,
    SYS_fcntl,
    SYS_fstat,
    SYS_lseek,
    SYS_newfstatat,
    SYS_ppoll,
    SYS_pread64,
    SYS_preadv,
    SYS_read,
    SYS_readv,
    SYS_recvfrom,
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_sendto,
    SYS_statx,
    SYS_write,
    SYS_writev,
    // Memory.
    SYS_brk,
    SYS_madvise,
    SYS_mmap,
    SYS_mprotect,
    SYS_mremap,
    SYS_munmap,
    // Time, chance, what machine this is.
    SYS_clock_getres,
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    SYS_getcpu,
    SYS_getrandom,
    SYS_gettimeofday,
    SYS_nanosleep,
    SYS_sched_getaffinity,
    SYS_sysinfo,
    SYS_uname,
    // Threads and the end.
    SYS_exit,
    SYS_exit_group,
    SYS_futex,
    SYS_getpid,
    SYS_getppid,
    SYS_gettid,
    SYS_membarrier,
    SYS_restart_syscall,
    SYS_rseq,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sched_yield,
    SYS_set_robust_list,
    SYS_set_tid_address,
    SYS_sigaltstack,
    // Answered by the other filter.
    SYS_clone3,
];

/// Older names of the same, which newer architectures have not.
#[cfg(target_arch = "x86_64")]
const OLDER: &[i64] = &[libc::SYS_poll, libc::SYS_time, libc::SYS_arch_prctl];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[i64] = &[];

/// Lets through only the calls of decoding; whether that holds.
pub(super) fn seccomp() -> bool {
    apply().is_ok()
}

fn apply() -> Result<(), Error> {
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    // Its flags lie in memory, where a filter cannot look. A C library that is told that it is not
    // there takes `clone`, whose flags can be seen.
    let absent = SeccompFilter::new(
        BTreeMap::from([(SYS_clone3, vec![])]),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS as u32),
        arch,
    )?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = CALLS
        .iter()
        .chain(OLDER)
        .map(|call| (*call, vec![]))
        .collect();
    let thread = libc::CLONE_THREAD as u64;
    let own = u64::from(std::process::id());
    let long = SeccompCmpArgLen::Qword;
    rules.insert(
        SYS_clone,
        vec![only(0, long, SeccompCmpOp::MaskedEq(thread), thread)?],
    );
    // How `abort` ends the process.
    let int = SeccompCmpArgLen::Dword;
    rules.insert(SYS_tgkill, vec![only(0, int, SeccompCmpOp::Eq, own)?]);
    let calls = SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM as u32),
        SeccompAction::Allow,
        arch,
    )?;
    // The second would not be let through by the first, were it the other way round.
    let absent: BpfProgram = absent.try_into()?;
    let calls: BpfProgram = calls.try_into()?;
    seccompiler::apply_filter(&absent)?;
    seccompiler::apply_filter(&calls)
}

fn only(
    argument: u8,
    length: SeccompCmpArgLen,
    compare: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule, Error> {
    let condition = SeccompCondition::new(argument, length, compare, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

/// Refuses every path, port and signal to others, as far as this kernel can.
pub(super) fn landlock() -> String {
    let status = restrict().map(|status| status.ruleset);
    match status {
        Ok(RulesetStatus::FullyEnforced) => "fully",
        Ok(RulesetStatus::PartiallyEnforced) => "partly",
        Ok(RulesetStatus::NotEnforced) | Err(_) => "no",
    }
    .to_owned()
}

fn restrict() -> Result<landlock::RestrictionStatus, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::from_all(ABI::V5))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .restrict_self()
}

"""What the numbers in Linux audit records stand for, and what happened in the words of ECS.

The numbers are the kernel's public interface: linux/audit.h, linux/elf-em.h, asm/unistd*.h, asm-generic/errno.h and
signal.h, and for user-space record types libaudit.h. Nothing goes in; plain tables come out.
"""

from collections.abc import Mapping
from itertools import chain


def _numbered(runs: Mapping[int, str]) -> dict[int, str]:
    """Names by number: each run starts at its key and goes on by one; a dash leaves a number out."""
    return {
        number: name for start, names in runs.items() for number, name in enumerate(names.split(), start) if name != "-"
    }


# Record types by number, without their AUDIT_ prefix.
RECORD_TYPES: Mapping[int, str] = _numbered(
    {
        1002: """
        LIST - - USER LOGIN WATCH_INS WATCH_REM WATCH_LIST SIGNAL_INFO ADD_RULE DEL_RULE LIST_RULES TRIM MAKE_EQUIV
        TTY_GET TTY_SET SET_FEATURE GET_FEATURE
        """,
        1100: """
        USER_AUTH USER_ACCT USER_MGMT CRED_ACQ CRED_DISP USER_START USER_END USER_AVC USER_CHAUTHTOK USER_ERR
        CRED_REFR USYS_CONFIG USER_LOGIN USER_LOGOUT ADD_USER DEL_USER ADD_GROUP DEL_GROUP DAC_CHECK CHGRP_ID TEST
        TRUSTED_APP USER_SELINUX_ERR USER_CMD USER_TTY CHUSER_ID GRP_AUTH SYSTEM_BOOT SYSTEM_SHUTDOWN SYSTEM_RUNLEVEL
        SERVICE_START SERVICE_STOP GRP_MGMT GRP_CHAUTHTOK MAC_CHECK ACCT_LOCK ACCT_UNLOCK USER_DEVICE SOFTWARE_UPDATE
        """,
        1200: """
        DAEMON_START DAEMON_END DAEMON_ABORT DAEMON_CONFIG DAEMON_RECONFIG DAEMON_ROTATE DAEMON_RESUME DAEMON_ACCEPT
        DAEMON_CLOSE DAEMON_ERR
        """,
        1300: """
        SYSCALL FS_WATCH PATH IPC SOCKETCALL CONFIG_CHANGE SOCKADDR CWD - EXECVE - IPC_SET_PERM MQ_OPEN MQ_SENDRECV
        MQ_NOTIFY MQ_GETSETATTR KERNEL_OTHER FD_PAIR OBJ_PID TTY EOE BPRM_FCAPS CAPSET MMAP NETFILTER_PKT
        NETFILTER_CFG SECCOMP PROCTITLE FEATURE_CHANGE REPLACE KERN_MODULE FANOTIFY TIME_INJOFFSET TIME_ADJNTPVAL BPF
        EVENT_LISTENER URINGOP OPENAT2 DM_CTRL DM_EVENT
        """,
        1400: """
        AVC SELINUX_ERR AVC_PATH MAC_POLICY_LOAD MAC_STATUS MAC_CONFIG_CHANGE MAC_UNLBL_ALLOW MAC_CIPSOV4_ADD
        MAC_CIPSOV4_DEL MAC_MAP_ADD MAC_MAP_DEL MAC_IPSEC_ADDSA MAC_IPSEC_DELSA MAC_IPSEC_ADDSPD MAC_IPSEC_DELSPD
        MAC_IPSEC_EVENT MAC_UNLBL_STCADD MAC_UNLBL_STCDEL MAC_CALIPSO_ADD MAC_CALIPSO_DEL IPE_ACCESS IPE_CONFIG_CHANGE
        IPE_POLICY_LOAD LANDLOCK_ACCESS LANDLOCK_DOMAIN MAC_TASK_CONTEXTS MAC_OBJ_CONTEXTS
        """,
        1500: """
        APPARMOR APPARMOR_AUDIT APPARMOR_ALLOWED APPARMOR_DENIED APPARMOR_HINT APPARMOR_STATUS APPARMOR_ERROR
        """,
        1700: """
        ANOM_PROMISCUOUS ANOM_ABEND ANOM_LINK ANOM_CREAT
        """,
        1800: """
        INTEGRITY_DATA INTEGRITY_METADATA INTEGRITY_STATUS INTEGRITY_HASH INTEGRITY_PCR INTEGRITY_RULE
        INTEGRITY_EVM_XATTR INTEGRITY_POLICY_RULE
        """,
        2000: """
        KERNEL
        """,
        2100: """
        ANOM_LOGIN_FAILURES ANOM_LOGIN_TIME ANOM_LOGIN_SESSIONS ANOM_LOGIN_ACCT ANOM_LOGIN_LOCATION ANOM_MAX_DAC
        ANOM_MAX_MAC ANOM_AMTU_FAIL ANOM_RBAC_FAIL ANOM_RBAC_INTEGRITY_FAIL ANOM_CRYPTO_FAIL ANOM_ACCESS_FS ANOM_EXEC
        ANOM_MK_EXEC ANOM_ADD_ACCT ANOM_DEL_ACCT ANOM_MOD_ACCT ANOM_ROOT_TRANS ANOM_LOGIN_SERVICE ANOM_LOGIN_ROOT
        ANOM_ORIGIN_FAILURES ANOM_SESSION
        """,
        2200: """
        RESP_ANOMALY RESP_ALERT RESP_KILL_PROC RESP_TERM_ACCESS RESP_ACCT_REMOTE RESP_ACCT_LOCK_TIMED
        RESP_ACCT_UNLOCK_TIMED RESP_ACCT_LOCK RESP_TERM_LOCK RESP_SEBOOL RESP_EXEC RESP_SINGLE RESP_HALT
        RESP_ORIGIN_BLOCK RESP_ORIGIN_BLOCK_TIMED RESP_ORIGIN_UNBLOCK_TIMED
        """,
        2300: """
        USER_ROLE_CHANGE ROLE_ASSIGN ROLE_REMOVE LABEL_OVERRIDE LABEL_LEVEL_CHANGE USER_LABELED_EXPORT
        USER_UNLABELED_EXPORT DEV_ALLOC DEV_DEALLOC FS_RELABEL USER_MAC_POLICY_LOAD ROLE_MODIFY USER_MAC_CONFIG_CHANGE
        USER_MAC_STATUS
        """,
        2400: """
        CRYPTO_TEST_USER CRYPTO_PARAM_CHANGE_USER CRYPTO_LOGIN CRYPTO_LOGOUT CRYPTO_KEY_USER CRYPTO_FAILURE_USER
        CRYPTO_REPLAY_USER CRYPTO_SESSION CRYPTO_IKE_SA CRYPTO_IPSEC_SA
        """,
        2500: """
        VIRT_CONTROL VIRT_RESOURCE VIRT_MACHINE_ID VIRT_INTEGRITY_CHECK VIRT_CREATE VIRT_DESTROY VIRT_MIGRATE_IN
        VIRT_MIGRATE_OUT
        """,
    }
)


def from_userspace(number: int) -> bool:
    """Whether a record of this type was sent by a program, and is therefore an event of its own."""
    return 1100 <= number <= 1299 or 2100 <= number <= 2999


SINGLE_TYPES = frozenset(name for number, name in RECORD_TYPES.items() if from_userspace(number))

# Architectures by the value of `arch`: the ELF machine, 0x80000000 for 64 bits, 0x40000000 for little endian.
ARCHITECTURES: Mapping[str, str] = {
    "c000003e": "x86_64",
    "40000003": "i386",
    "c00000b7": "aarch64",
    "40000028": "arm",
    "28": "armeb",
    "80000016": "s390x",
    "16": "s390",
    "c0000015": "ppc64le",
    "80000015": "ppc64",
    "14": "ppc",
    "c00000f3": "riscv64",
    "400000f3": "riscv32",
    "c0000102": "loongarch64",
    "40000102": "loongarch32",
    "8": "mips",
    "40000008": "mipsel",
    "80000008": "mips64",
    "c0000008": "mipsel64",
    "2": "sparc",
    "8000002b": "sparc64",
    "c0000032": "ia64",
    "c0009026": "alpha",
    "f": "parisc",
    "8000000f": "parisc64",
}

# System calls from 424 on have one number on every architecture.
_COMMON = _numbered(
    {
        424: """
        pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen fsconfig fsmount
        fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr
        quotactl_fd landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret process_mrelease
        futex_waitv set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue
        statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat
        listxattrat removexattrat open_tree_attr file_getattr file_setattr
        """,
    }
)

# The 64-bit time calls of 32-bit architectures.
_TIME64 = _numbered(
    {
        403: """
        clock_gettime64 clock_settime64 clock_adjtime64 clock_getres_time64 clock_nanosleep_time64 timer_gettime64
        timer_settime64 timerfd_gettime64 timerfd_settime64 utimensat_time64 pselect6_time64 ppoll_time64 -
        io_pgetevents_time64 recvmmsg_time64 mq_timedsend_time64 mq_timedreceive_time64 semtimedop_time64
        rt_sigtimedwait_time64 futex_time64 sched_rr_get_interval_time64
        """,
    }
)

# asm/unistd_64.h
_X86_64 = _numbered(
    {
        0: """
        read write open close stat fstat lstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask
        rt_sigreturn ioctl pread64 pwrite64 readv writev access pipe select sched_yield mremap msync mincore madvise
        shmget shmat shmctl dup dup2 pause nanosleep getitimer alarm setitimer getpid sendfile socket connect accept
        sendto recvfrom sendmsg recvmsg shutdown bind listen getsockname getpeername socketpair setsockopt getsockopt
        clone fork vfork execve exit wait4 kill uname semget semop semctl shmdt msgget msgsnd msgrcv msgctl fcntl
        flock fsync fdatasync truncate ftruncate getdents getcwd chdir fchdir rename mkdir rmdir creat link unlink
        symlink readlink chmod fchmod chown fchown lchown umask gettimeofday getrlimit getrusage sysinfo times ptrace
        getuid syslog getgid setuid setgid geteuid getegid setpgid getppid getpgrp setsid setreuid setregid getgroups
        setgroups setresuid getresuid setresgid getresgid getpgid setfsuid setfsgid getsid capget capset rt_sigpending
        rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend sigaltstack utime mknod uselib personality ustat statfs fstatfs
        sysfs getpriority setpriority sched_setparam sched_getparam sched_setscheduler sched_getscheduler
        sched_get_priority_max sched_get_priority_min sched_rr_get_interval mlock munlock mlockall munlockall vhangup
        modify_ldt pivot_root _sysctl prctl arch_prctl adjtimex setrlimit chroot sync acct settimeofday mount umount2
        swapon swapoff reboot sethostname setdomainname iopl ioperm create_module init_module delete_module
        get_kernel_syms query_module quotactl nfsservctl getpmsg putpmsg afs_syscall tuxcall security gettid readahead
        setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr
        lremovexattr fremovexattr tkill time futex sched_setaffinity sched_getaffinity set_thread_area io_setup
        io_destroy io_getevents io_submit io_cancel get_thread_area lookup_dcookie epoll_create epoll_ctl_old
        epoll_wait_old remap_file_pages getdents64 set_tid_address restart_syscall semtimedop fadvise64 timer_create
        timer_settime timer_gettime timer_getoverrun timer_delete clock_settime clock_gettime clock_getres
        clock_nanosleep exit_group epoll_wait epoll_ctl tgkill utimes vserver mbind set_mempolicy get_mempolicy
        mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr kexec_load waitid add_key request_key
        keyctl ioprio_set ioprio_get inotify_init inotify_add_watch inotify_rm_watch migrate_pages openat mkdirat
        mknodat fchownat futimesat newfstatat unlinkat renameat linkat symlinkat readlinkat fchmodat faccessat
        pselect6 ppoll unshare set_robust_list get_robust_list splice tee sync_file_range vmsplice move_pages
        utimensat epoll_pwait signalfd timerfd_create eventfd fallocate timerfd_settime timerfd_gettime accept4
        signalfd4 eventfd2 epoll_create1 dup3 pipe2 inotify_init1 preadv pwritev rt_tgsigqueueinfo perf_event_open
        recvmmsg fanotify_init fanotify_mark prlimit64 name_to_handle_at open_by_handle_at clock_adjtime syncfs
        sendmmsg setns getcpu process_vm_readv process_vm_writev kcmp finit_module sched_setattr sched_getattr
        renameat2 seccomp getrandom memfd_create kexec_file_load bpf execveat userfaultfd membarrier mlock2
        copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc pkey_free statx io_pgetevents rseq
        """,
    }
)

# asm/unistd_32.h
_I386 = _numbered(
    {
        0: """
        restart_syscall exit fork read write open close waitpid creat link unlink execve chdir time mknod chmod lchown
        break oldstat lseek getpid mount umount setuid getuid stime ptrace alarm oldfstat pause utime stty gtty access
        nice ftime sync kill rename mkdir rmdir dup pipe times prof brk setgid getgid signal geteuid getegid acct
        umount2 lock ioctl fcntl mpx setpgid ulimit oldolduname umask chroot ustat dup2 getppid getpgrp setsid
        sigaction sgetmask ssetmask setreuid setregid sigsuspend sigpending sethostname setrlimit getrlimit getrusage
        gettimeofday settimeofday getgroups setgroups select symlink oldlstat readlink uselib swapon reboot readdir
        mmap munmap truncate ftruncate fchmod fchown getpriority setpriority profil statfs fstatfs ioperm socketcall
        syslog setitimer getitimer stat lstat fstat olduname iopl vhangup idle vm86old wait4 swapoff sysinfo ipc fsync
        sigreturn clone setdomainname uname modify_ldt adjtimex mprotect sigprocmask create_module init_module
        delete_module get_kernel_syms quotactl getpgid fchdir bdflush sysfs personality afs_syscall setfsuid setfsgid
        _llseek getdents _newselect flock msync readv writev getsid fdatasync _sysctl mlock munlock mlockall
        munlockall sched_setparam sched_getparam sched_setscheduler sched_getscheduler sched_yield
        sched_get_priority_max sched_get_priority_min sched_rr_get_interval nanosleep mremap setresuid getresuid vm86
        query_module poll nfsservctl setresgid getresgid prctl rt_sigreturn rt_sigaction rt_sigprocmask rt_sigpending
        rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend pread64 pwrite64 chown getcwd capget capset sigaltstack sendfile
        getpmsg putpmsg vfork ugetrlimit mmap2 truncate64 ftruncate64 stat64 lstat64 fstat64 lchown32 getuid32
        getgid32 geteuid32 getegid32 setreuid32 setregid32 getgroups32 setgroups32 fchown32 setresuid32 getresuid32
        setresgid32 getresgid32 chown32 setuid32 setgid32 setfsuid32 setfsgid32 pivot_root mincore madvise getdents64
        fcntl64 - - gettid readahead setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr
        flistxattr removexattr lremovexattr fremovexattr tkill sendfile64 futex sched_setaffinity sched_getaffinity
        set_thread_area get_thread_area io_setup io_destroy io_getevents io_submit io_cancel fadvise64 - exit_group
        lookup_dcookie epoll_create epoll_ctl epoll_wait remap_file_pages set_tid_address timer_create timer_settime
        timer_gettime timer_getoverrun timer_delete clock_settime clock_gettime clock_getres clock_nanosleep statfs64
        fstatfs64 tgkill utimes fadvise64_64 vserver mbind get_mempolicy set_mempolicy mq_open mq_unlink mq_timedsend
        mq_timedreceive mq_notify mq_getsetattr kexec_load waitid - add_key request_key keyctl ioprio_set ioprio_get
        inotify_init inotify_add_watch inotify_rm_watch migrate_pages openat mkdirat mknodat fchownat futimesat
        fstatat64 unlinkat renameat linkat symlinkat readlinkat fchmodat faccessat pselect6 ppoll unshare
        set_robust_list get_robust_list splice sync_file_range tee vmsplice move_pages getcpu epoll_pwait utimensat
        signalfd timerfd_create eventfd fallocate timerfd_settime timerfd_gettime signalfd4 eventfd2 epoll_create1
        dup3 pipe2 inotify_init1 preadv pwritev rt_tgsigqueueinfo perf_event_open recvmmsg fanotify_init fanotify_mark
        prlimit64 name_to_handle_at open_by_handle_at clock_adjtime syncfs sendmmsg setns process_vm_readv
        process_vm_writev kcmp finit_module sched_setattr sched_getattr renameat2 seccomp getrandom memfd_create bpf
        execveat socket socketpair bind connect listen accept4 getsockopt setsockopt getsockname getpeername sendto
        sendmsg recvfrom recvmsg shutdown userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect
        pkey_alloc pkey_free statx arch_prctl io_pgetevents rseq - - - - - - semget semctl shmget shmctl shmat shmdt
        msgget msgsnd msgrcv msgctl
        """,
    }
)

# 32-bit ARM, EABI; the calls from 983041 on are its own.
_ARM = _numbered(
    {
        0: """
        restart_syscall exit fork read write open close - creat link unlink execve chdir - mknod chmod lchown - -
        lseek getpid mount - setuid getuid - ptrace - - pause - - - access nice - sync kill rename mkdir rmdir dup
        pipe times - brk setgid getgid - geteuid getegid acct umount2 - ioctl fcntl - setpgid - - umask chroot ustat
        dup2 getppid getpgrp setsid sigaction - - setreuid setregid sigsuspend sigpending sethostname setrlimit -
        getrusage gettimeofday settimeofday getgroups setgroups - symlink - readlink uselib swapon reboot - - munmap
        truncate ftruncate fchmod fchown getpriority setpriority - statfs fstatfs - - syslog setitimer getitimer stat
        lstat fstat - - vhangup - - wait4 swapoff sysinfo - fsync sigreturn clone setdomainname uname - adjtimex
        mprotect sigprocmask - init_module delete_module - quotactl getpgid fchdir bdflush sysfs personality -
        setfsuid setfsgid _llseek getdents _newselect flock msync readv writev getsid fdatasync _sysctl mlock munlock
        mlockall munlockall sched_setparam sched_getparam sched_setscheduler sched_getscheduler sched_yield
        sched_get_priority_max sched_get_priority_min sched_rr_get_interval nanosleep mremap setresuid getresuid - -
        poll nfsservctl setresgid getresgid prctl rt_sigreturn rt_sigaction rt_sigprocmask rt_sigpending
        rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend pread64 pwrite64 chown getcwd capget capset sigaltstack sendfile
        - - vfork ugetrlimit mmap2 truncate64 ftruncate64 stat64 lstat64 fstat64 lchown32 getuid32 getgid32 geteuid32
        getegid32 setreuid32 setregid32 getgroups32 setgroups32 fchown32 setresuid32 getresuid32 setresgid32
        getresgid32 chown32 setuid32 setgid32 setfsuid32 setfsgid32 getdents64 pivot_root mincore madvise fcntl64 - -
        gettid readahead setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
        removexattr lremovexattr fremovexattr tkill sendfile64 futex sched_setaffinity sched_getaffinity io_setup
        io_destroy io_getevents io_submit io_cancel exit_group lookup_dcookie epoll_create epoll_ctl epoll_wait
        remap_file_pages - - set_tid_address timer_create timer_settime timer_gettime timer_getoverrun timer_delete
        clock_settime clock_gettime clock_getres clock_nanosleep statfs64 fstatfs64 tgkill utimes arm_fadvise64_64
        pciconfig_iobase pciconfig_read pciconfig_write mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify
        mq_getsetattr waitid socket bind connect listen accept getsockname getpeername socketpair send sendto recv
        recvfrom shutdown setsockopt getsockopt sendmsg recvmsg semop semget semctl msgsnd msgrcv msgget msgctl shmat
        shmdt shmget shmctl add_key request_key keyctl semtimedop vserver ioprio_set ioprio_get inotify_init
        inotify_add_watch inotify_rm_watch mbind get_mempolicy set_mempolicy openat mkdirat mknodat fchownat futimesat
        fstatat64 unlinkat renameat linkat symlinkat readlinkat fchmodat faccessat pselect6 ppoll unshare
        set_robust_list get_robust_list splice arm_sync_file_range tee vmsplice move_pages getcpu epoll_pwait
        kexec_load utimensat signalfd timerfd_create eventfd fallocate timerfd_settime timerfd_gettime signalfd4
        eventfd2 epoll_create1 dup3 pipe2 inotify_init1 preadv pwritev rt_tgsigqueueinfo perf_event_open recvmmsg
        accept4 fanotify_init fanotify_mark prlimit64 name_to_handle_at open_by_handle_at clock_adjtime syncfs
        sendmmsg setns process_vm_readv process_vm_writev kcmp finit_module sched_setattr sched_getattr renameat2
        seccomp getrandom memfd_create bpf execveat userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2
        pkey_mprotect pkey_alloc pkey_free statx rseq io_pgetevents migrate_pages kexec_file_load
        """,
        983041: "breakpoint cacheflush usr26 usr32 set_tls",
    }
)

# asm-generic/unistd.h with 64-bit longs
_GENERIC = _numbered(
    {
        0: """
        io_setup io_destroy io_submit io_cancel io_getevents setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr
        listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr getcwd lookup_dcookie eventfd2
        epoll_create1 epoll_ctl epoll_pwait dup dup3 fcntl inotify_init1 inotify_add_watch inotify_rm_watch ioctl
        ioprio_set ioprio_get flock mknodat mkdirat unlinkat symlinkat linkat renameat umount2 mount pivot_root
        nfsservctl statfs fstatfs truncate ftruncate fallocate faccessat chdir fchdir chroot fchmod fchmodat fchownat
        fchown openat close vhangup pipe2 quotactl getdents64 lseek read write readv writev pread64 pwrite64 preadv
        pwritev sendfile pselect6 ppoll signalfd4 vmsplice splice tee readlinkat newfstatat fstat sync fsync fdatasync
        sync_file_range timerfd_create timerfd_settime timerfd_gettime utimensat acct capget capset personality exit
        exit_group waitid set_tid_address unshare futex set_robust_list get_robust_list nanosleep getitimer setitimer
        kexec_load init_module delete_module timer_create timer_gettime timer_getoverrun timer_settime timer_delete
        clock_settime clock_gettime clock_getres clock_nanosleep syslog ptrace sched_setparam sched_setscheduler
        sched_getscheduler sched_getparam sched_setaffinity sched_getaffinity sched_yield sched_get_priority_max
        sched_get_priority_min sched_rr_get_interval restart_syscall kill tkill tgkill sigaltstack rt_sigsuspend
        rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigreturn setpriority getpriority
        reboot setregid setgid setreuid setuid setresuid getresuid setresgid getresgid setfsuid setfsgid times setpgid
        getpgid getsid setsid getgroups setgroups uname sethostname setdomainname getrlimit setrlimit getrusage umask
        prctl getcpu gettimeofday settimeofday adjtimex getpid getppid getuid geteuid getgid getegid gettid sysinfo
        mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr msgget msgctl msgrcv msgsnd semget
        semctl semtimedop semop shmget shmctl shmat shmdt socket socketpair bind listen accept connect getsockname
        getpeername sendto recvfrom setsockopt getsockopt shutdown sendmsg recvmsg readahead brk munmap mremap add_key
        request_key keyctl clone execve mmap fadvise64 swapon swapoff mprotect msync mlock munlock mlockall munlockall
        mincore madvise remap_file_pages mbind get_mempolicy set_mempolicy migrate_pages move_pages rt_tgsigqueueinfo
        perf_event_open accept4 recvmmsg
        """,
        260: """
        wait4 prlimit64 fanotify_init fanotify_mark name_to_handle_at open_by_handle_at clock_adjtime syncfs setns
        sendmmsg process_vm_readv process_vm_writev kcmp finit_module sched_setattr sched_getattr renameat2 seccomp
        getrandom memfd_create bpf execveat userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2
        pkey_mprotect pkey_alloc pkey_free statx io_pgetevents rseq kexec_file_load
        """,
    }
)

_GENERIC_ALL = {**_GENERIC, **_COMMON}
_ARM_ALL = {**_ARM, **_TIME64, **_COMMON}
_BY_ARCHITECTURE: Mapping[str, Mapping[int, str]] = {
    "x86_64": {**_X86_64, **_COMMON},
    "i386": {**_I386, **_TIME64, **_COMMON},
    "aarch64": _GENERIC_ALL,
    "riscv64": _GENERIC_ALL,
    "loongarch64": _GENERIC_ALL,
    "arm": _ARM_ALL,
    "armeb": _ARM_ALL,
}

# System calls by architecture and by number as it is written in the log.
SYSCALLS: Mapping[str, Mapping[str, str]] = {
    architecture: {str(number): name for number, name in calls.items()}
    for architecture, calls in _BY_ARCHITECTURE.items()
}

# Error numbers (asm-generic/errno.h), and those above 511 that the kernel keeps to itself but audit shows.
ERRNO: Mapping[int, str] = _numbered(
    {
        1: """
        EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST
        EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM
        ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP - ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG
        EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT - EBFONT ENOSTR ENODATA ETIME ENOSR ENONET
        ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG
        ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE
        EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE
        EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN
        ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL
        EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD
        ENOTRECOVERABLE ERFKILL EHWPOISON
        """,
        512: """
        ERESTARTSYS ERESTARTNOINTR ERESTARTNOHAND ENOIOCTLCMD ERESTART_RESTARTBLOCK
        """,
    }
)

# Signals (asm-generic/signal.h).
SIGNALS: Mapping[int, str] = _numbered(
    {
        1: """
        SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM
        SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF
        SIGWINCH SIGIO SIGPWR SIGSYS
        """,
    }
)

# Address families of a `saddr`: as kyber names them, and as an enriched log does in `saddr_fam`.
FAMILIES: Mapping[int, tuple[str, str]] = {
    1: ("unix", "local"),
    2: ("ipv4", "inet"),
    10: ("ipv6", "inet6"),
    16: ("netlink", "netlink"),
    17: ("packet", "packet"),
    38: ("alg", "alg"),
    40: ("vsock", "vsock"),
}

What = tuple[str, tuple[str, ...]]


def _said(rows: Mapping[tuple[str, str], str]) -> dict[str, What]:
    """(action, categories) -> names, turned round: name -> (action, categories)."""
    return dict(
        chain.from_iterable(
            ((name, (action, tuple(categories.split()))) for name in names.split())
            for (action, categories), names in rows.items()
        )
    )


# What a record type says by itself: event.action and event.category. It wins over the system call of the same event.
TYPE_ACTIONS: Mapping[str, What] = _said(
    {
        ("authenticated", "authentication"): "USER_AUTH GRP_AUTH",
        ("was-authorized", "authentication"): "USER_ACCT",
        ("acquired-credentials", "authentication"): "CRED_ACQ",
        ("refreshed-credentials", "authentication"): "CRED_REFR",
        ("disposed-credentials", "authentication"): "CRED_DISP",
        ("logged-in", "authentication"): "USER_LOGIN",
        ("logged-out", "authentication"): "USER_LOGOUT",
        ("changed-login-id", "authentication"): "LOGIN",
        ("login-error", "authentication"): "USER_ERR",
        ("started-session", "session"): "USER_START",
        ("ended-session", "session"): "USER_END",
        ("changed-password", "iam"): "USER_CHAUTHTOK",
        ("changed-group-password", "iam"): "GRP_CHAUTHTOK",
        ("added-user-account", "iam"): "ADD_USER",
        ("deleted-user-account", "iam"): "DEL_USER",
        ("changed-user-account", "iam"): "USER_MGMT CHUSER_ID",
        ("locked-account", "iam"): "ACCT_LOCK",
        ("unlocked-account", "iam"): "ACCT_UNLOCK",
        ("added-group-account", "iam"): "ADD_GROUP",
        ("deleted-group-account", "iam"): "DEL_GROUP",
        ("changed-group-account", "iam"): "GRP_MGMT CHGRP_ID",
        ("changed-role", "iam"): "USER_ROLE_CHANGE ROLE_MODIFY",
        ("assigned-role", "iam"): "ROLE_ASSIGN",
        ("removed-role", "iam"): "ROLE_REMOVE",
        ("ran-command", "process"): "USER_CMD",
        ("typed", "process"): "TTY USER_TTY",
        ("started-service", "process"): "SERVICE_START",
        ("stopped-service", "process"): "SERVICE_STOP",
        ("booted-system", "host"): "SYSTEM_BOOT",
        ("shut-down-system", "host"): "SYSTEM_SHUTDOWN",
        ("changed-runlevel", "host"): "SYSTEM_RUNLEVEL",
        ("changed-system-time", "host"): "TIME_INJOFFSET TIME_ADJNTPVAL",
        ("changed-system-configuration", "configuration"): "USYS_CONFIG",
        ("updated-software", "package"): "SOFTWARE_UPDATE",
        ("changed-device", "host"): "USER_DEVICE DEV_ALLOC DEV_DEALLOC",
        ("started-audit", "configuration process"): "DAEMON_START DAEMON_RESUME",
        ("stopped-audit", "configuration process"): "DAEMON_END DAEMON_ABORT",
        ("changed-audit-configuration", "configuration"): "CONFIG_CHANGE DAEMON_CONFIG FEATURE_CHANGE",
        ("rotated-audit-log", "configuration"): "DAEMON_ROTATE",
        ("changed-firewall", "configuration network"): "NETFILTER_CFG",
        ("negotiated-crypto-key", "process"): "CRYPTO_KEY_USER",
        ("started-crypto-session", "process"): "CRYPTO_SESSION",
        (
            "violated-mac-policy",
            "intrusion_detection",
        ): "AVC USER_AVC SELINUX_ERR USER_SELINUX_ERR IPE_ACCESS LANDLOCK_ACCESS",
        ("changed-mac-policy", "configuration"): """
            MAC_POLICY_LOAD MAC_STATUS MAC_CONFIG_CHANGE USER_MAC_POLICY_LOAD USER_MAC_CONFIG_CHANGE USER_MAC_STATUS
            IPE_CONFIG_CHANGE IPE_POLICY_LOAD""",
        ("violated-seccomp-policy", "process intrusion_detection"): "SECCOMP",
        ("crashed-program", "process"): "ANOM_ABEND",
        ("changed-promiscuous-mode", "network intrusion_detection"): "ANOM_PROMISCUOUS",
        ("followed-suspicious-link", "file intrusion_detection"): "ANOM_LINK ANOM_CREAT",
        ("exceeded-login-limit", "authentication intrusion_detection"): """
            ANOM_LOGIN_FAILURES ANOM_LOGIN_TIME ANOM_LOGIN_SESSIONS ANOM_LOGIN_ACCT ANOM_LOGIN_LOCATION
            ANOM_LOGIN_SERVICE ANOM_LOGIN_ROOT ANOM_ORIGIN_FAILURES""",
        (
            "controlled-virtual-machine",
            "host",
        ): "VIRT_CONTROL VIRT_CREATE VIRT_DESTROY VIRT_MIGRATE_IN VIRT_MIGRATE_OUT",
    }
)

# What a system call says, where no record type of the event says more.
SYSCALL_ACTIONS: Mapping[str, What] = _said(
    {
        ("executed", "process"): "execve execveat",
        ("started-process", "process"): "fork vfork clone clone3",
        ("ended-process", "process"): "exit exit_group",
        ("killed-pid", "process"): "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal",
        ("traced-process", "process"): "ptrace process_vm_readv process_vm_writev",
        ("changed-identity", "process"): """
            setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups setuid32 setgid32
            setreuid32 setregid32 setresuid32 setresgid32 setfsuid32 setfsgid32 setgroups32""",
        ("changed-capabilities", "process"): "capset",
        ("changed-namespace", "process"): "unshare setns",
        ("created-memory-file", "process"): "memfd_create memfd_secret",
        ("opened-file", "file"): "open openat openat2 creat open_by_handle_at",
        ("read-file", "file"): "read readv pread64 preadv preadv2",
        ("wrote-to-file", "file"): "write writev pwrite64 pwritev pwritev2 truncate ftruncate truncate64 ftruncate64",
        ("deleted", "file"): "unlink unlinkat rmdir",
        ("renamed", "file"): "rename renameat renameat2",
        ("linked", "file"): "link linkat",
        ("symlinked", "file"): "symlink symlinkat",
        ("created-directory", "file"): "mkdir mkdirat",
        ("made-device", "file"): "mknod mknodat",
        ("changed-file-permissions-of", "file"): "chmod fchmod fchmodat fchmodat2",
        ("changed-file-ownership-of", "file"): "chown fchown lchown fchownat chown32 fchown32 lchown32",
        ("changed-file-attributes-of", "file"): """
            setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat""",
        ("changed-timestamp-of", "file"): "utime utimes futimesat utimensat utimensat_time64",
        ("checked-file", "file"): """
            access faccessat faccessat2 stat lstat fstat stat64 lstat64 fstat64 newfstatat fstatat64 statx""",
        ("mounted", "file"): "mount move_mount fsmount",
        ("unmounted", "file"): "umount umount2",
        ("changed-root-directory", "file"): "chroot pivot_root",
        ("connected-to", "network"): "connect",
        ("accepted-connection-from", "network"): "accept accept4",
        ("bound-socket", "network"): "bind",
        ("listen-for-connections", "network"): "listen",
        ("sent-to", "network"): "sendto sendmsg sendmmsg send",
        ("received-from", "network"): "recvfrom recvmsg recvmmsg recv",
        ("opened-socket", "network"): "socket socketpair",
        ("loaded-kernel-module", "driver"): "init_module finit_module",
        ("unloaded-kernel-module", "driver"): "delete_module",
        ("loaded-bpf-program", "driver"): "bpf",
        ("loaded-kernel", "host"): "kexec_load kexec_file_load",
        ("rebooted-system", "host"): "reboot",
        ("changed-system-time", "host"): """
            settimeofday clock_settime clock_settime64 adjtimex clock_adjtime clock_adjtime64 stime""",
        ("changed-system-name", "host"): "sethostname setdomainname",
        ("read-kernel-log", "host"): "syslog",
        ("changed-swap", "host"): "swapon swapoff",
    }
)

"""What databases, VPNs, file servers, telephone exchanges and sign-on services write of who comes in: tables.

Sources: the log calls of MySQL and MariaDB, PostgreSQL, SQL Server, OpenVPN, strongSwan, vsftpd, ProFTPD, Samba,
endlessh, cowrie, Asterisk, FreeSWITCH, Apache Guacamole, Apereo CAS, HestiaCP, Proxmox and ZoneMinder.
"""

from typing import Final

from kyber.logs.formats.service_message import ADDRESS, PEER, attempted, failed, message, opened

_POSTGRES = (
    rf"(?:[^\n]{{0,120}}?\b(?:client|host|h|r)=(?P<source>{ADDRESS})"
    r"(?:\([0-9]+\))?[ ,][^\n]{0,60}?|[^\n]{0,200}?)"
)
"""What may be set to stand before a message of PostgreSQL."""

DATABASES: Final = (
    failed(
        "mysql",
        "Access denied for user ",
        r"(?:\[[^\[\]]*\] ?)*(?:(?:[0-9]+ )?Connect +)?Access denied for user '(?P<user>.*)'@'"
        r"(?P<source>[^'\s]*)'(?: to database '[^'\n]*')? "
        r"\(using password: (?P<password>YES|NO)\)",
    ),
    failed(
        "postgres",
        "authentication failed for user ",
        rf"{_POSTGRES}(?P<level>FATAL): {{1,2}}(?P<method_name>\S+) authentication failed for user \"(?P<user>.*)\"",
    ),
    failed(
        "postgres",
        " does not exist",
        rf"{_POSTGRES}(?P<level>FATAL): {{1,2}}(?P<reason>role \"(?P<user>.*)\" does not exist)",
    ),
    failed(
        "postgres",
        "no pg_hba.conf entry for host ",
        r"(?:[^\n]{0,200}?)(?P<level>FATAL): {1,2}(?P<reason>no pg_hba\.conf entry) for host "
        rf"\"(?P<source>{ADDRESS})\", "
        r"user \"(?P<user>.*)\", database \"(?P<database>[^\"\n]*)\".*",
    ),
    message(
        "postgres",
        "connection received: ",
        rf"(?:[^\n]{{0,200}}?)LOG: {{1,2}}connection received: host=(?P<source>{ADDRESS}) port=(?P<source_port>[0-9]+)",
        "connection_opened",
        "network",
    ),
    opened(
        "postgres",
        "connection authorized: ",
        r"(?:[^\n]{0,200}?)LOG: {1,2}connection authorized: user=(?P<user>\S+) database=(?P<database>\S+)(?: .*)?",
    ),
    failed(
        "mssql",
        "Login failed for user ",
        (
            r"(?:Logon +)?Login failed for user '(?P<user>.*)'\. (?:Reason: (?P<reason>.*) )?\[CLIENT: "
            r"(?P<source>[^\]\s]*)\]"
        ),
    ),
    opened(
        "mssql",
        "Login succeeded for user ",
        r"(?:Logon +)?Login succeeded for user '(?P<user>.*)'\. .*\[CLIENT: (?P<source>[^\]\s]*)\]",
    ),
)


REMOTE: Final = (
    # OpenVPN; the name is that of the certificate
    failed(
        "openvpn",
        "TLS Auth Error",
        rf"(?:(?P<user>[^\s/]{{1,128}})/)?(?P<source>{PEER}) TLS Auth Error: (?P<reason>.*)",
    ),
    message(
        "openvpn",
        ": ",
        (
            rf"(?:(?P<user>[^\s/]{{1,128}})/)?(?P<source>{PEER}) (?:(?:TLS|TLS_ERROR)[A-Za-z "
            r"]{0,12}|AUTH): (?P<reason>.*)"
        ),
        "tls_error",
        "network",
        "failure",
    ),
    message(
        "openvpn",
        "AUTH_FAILED",
        rf"(?:(?P<user>[^\s/]{{1,128}})/)?(?P<source>{PEER}) SENT CONTROL \[(?P<peer>[^\]]*)\]: 'AUTH_FAILED.*",
        "login",
        "authentication",
        "failure",
    ),
    opened(
        "openvpn",
        "Peer Connection Initiated with ",
        (
            r"(?:(?P<source_domain>[^\s/]{1,128}) )?\[(?P<user>[^\]\s]+)\] Peer Connection Initiated "
            rf"with (?:\[AF_INET6?\])?(?P<source>{PEER}).*"
        ),
    ),
    message(
        "openvpn",
        "[AF_INET",
        rf"(?:\S+ )?(?:TCP connection established with|TLS: Initial packet from) \[AF_INET6?\](?P<source>{PEER}).*",
        "connection_opened",
        "network",
    ),
    # strongSwan
    message(
        "charon",
        "] ",
        r"[0-9]{2}\[(?P<subsystem>[A-Z]{3})\] (?:<(?P<connection>[^<>]{1,128})> )?received "
        rf"packet: from (?P<source>{PEER}\[[0-9]+\]) to "
        rf"(?P<destination>{PEER}\[[0-9]+\]).*",
        "packet_received",
        "network",
    ),
    message(
        "charon",
        "sending packet: from ",
        r"[0-9]{2}\[(?P<subsystem>[A-Z]{3})\] (?:<(?P<connection>[^<>]{1,128})> )?sending "
        rf"packet: from (?P<source>{PEER}\[[0-9]+\]) to "
        rf"(?P<destination>{PEER}\[[0-9]+\]).*",
        "packet_sent",
        "network",
    ),
    failed(
        "charon",
        "no EAP key found for hosts ",
        (
            r"[0-9]{2}\[(?P<subsystem>[A-Z]{3})\] (?:<(?P<connection>[^<>]{1,128})> )?"
            r"(?P<reason>no EAP key found) for hosts '[^']*' - '(?P<user>.*)'"
        ),
    ),
    failed(
        "charon",
        "failed for peer ",
        (
            r"[0-9]{2}\[(?P<subsystem>[A-Z]{3})\] (?:<(?P<connection>[^<>]{1,128})> )?"
            r"(?P<reason>EAP method \S+ failed) for peer (?P<user>.*)"
        ),
    ),
    *(
        message(
            "charon",
            ending,
            r"[0-9]{2}\[(?P<subsystem>[A-Z]{3})\] (?:<(?P<connection>[^<>]{1,128})> )?"
            rf"authentication of '(?P<user>.*)' (?:\([^()]*\) )?with (?P<mechanism>[^\n]{{1,80}}?){ending}",
            "login",
            "authentication",
            outcome,
        )
        for ending, outcome in ((" failed", "failure"), (" successful", "success"))
    ),
    message(
        "charon",
        " username: ",
        (
            r"[0-9]{2}\[(?P<subsystem>[A-Z]{3})\] (?:<(?P<connection>[^<>]{1,128})> )?"
            r"(?P<mechanism>\S+) username: '(?P<user>.*)'"
        ),
        "login_attempted",
        "authentication",
    ),
    message(
        "charon",
        "[",
        r"[0-9]{2}\[(?P<subsystem>[A-Z]{3})\] (?:<(?P<connection>[^<>]{1,128})> )?(?P<text>.*)",
        "ipsec",
        "network",
    ),
    # FTP
    *(
        message(
            "vsftpd",
            f" {word}: Client ",
            rf"(?:\[pid [0-9]+\] )?(?:\[(?P<user>[^\]\n]*)\] )?{word}: Client \"(?P<source>[^\"\s]*)\"(?:, .*)?",
            action,
            category,
            outcome,
        )
        for word, action, category, outcome in (
            ("FAIL LOGIN", "login", "authentication", "failure"),
            ("OK LOGIN", "login", "authentication", "success"),
            ("CONNECT", "connection_opened", "network", ""),
        )
    ),
    *(
        message(
            "proftpd",
            holds,
            (
                rf"(?:\S+ )?\((?P<source_domain>[^\[\]\s()]*)\[(?P<source>{ADDRESS})\]\)(?::| -) USER (?P<user>.*?)"
                rf"(?: \(Login failed\))?: {form}"
            ),
            "login",
            "authentication",
            outcome,
        )
        for holds, form, outcome in (
            ("no such user", r"(?P<reason>no such user found) from \S+ \[[^\]\s]*\] to \S+", "failure"),
            ("Login failed", r"(?P<reason>Incorrect password[^\n]*|[^:\n]*)", "failure"),
            ("Login successful", r"Login successful\.?", "success"),
        )
    ),
    # Samba
    *(
        message(
            "samba",
            "] remote host [",
            r"Auth: \[(?P<protocol>[^\]]*)\] user \[(?P<domain_name>[^\]]*)\]\\\[(?P<user>.*)\] at "
            r"\[[^\]]*\] with \[(?P<mechanism>[^\]]*)\] status "
            rf"\[{status}\] workstation \[(?P<workstation>[^\]]*)\] remote host \[(?P<source>[^\]]*)\] "
            r"(?:mapped|became).*",
            "login",
            "authentication",
            outcome,
        )
        for status, outcome in (("NT_STATUS_OK", "success"), ("(?P<reason>[A-Z0-9_]+)", "failure"))
    ),
    message(
        "samba",
        "|",
        rf"(?P<user>[^|\n]{{1,128}})\|(?P<source>{ADDRESS})\|(?P<machine>[^|\n]*)\|(?P<share>[^|\n]*)\|"
        r"(?P<operation>[a-z_]{2,40})\|(?P<result>ok|fail[^|\n]*)\|(?P<file>.*)",
        "file_access",
        "file",
    ),
    # Honeypots
    message(
        "endlessh",
        " host=",
        rf"(?P<what>ACCEPT|CLOSE) host=(?P<source>{ADDRESS}) port=(?P<source_port>[0-9]+) fd=.*",
        "connection",
        "network",
    ),
    message(
        "cowrie",
        "New connection: ",
        (
            rf"(?:\S+ )?\[[^\]]*\] New connection: (?P<source>{PEER}) \((?P<destination>{PEER})\) \[session: "
            r"(?P<session>[0-9a-z]+)\]"
        ),
        "connection_opened",
        "network",
    ),
    attempted(
        "cowrie",
        " login attempt [",
        rf"(?:\S+ )?\[[^\]]*?,(?P<source>{ADDRESS})\] login attempt \[b?'?(?P<user>[^/]*?)'?/.*\] (?:failed|succeeded)",
    ),
)


TELEPHONES: Final = (
    failed(
        "asterisk",
        " failed for '",
        r"(?:\S+:[0-9]+ \S+: )?(?:Registration|Request '[^'\n]*') from '(?:\"[^\n]*\" )?<?sips?:"
        r"(?P<user>[^@>'\s]*)(?:@[^\n]*)?' "
        r"failed for '"
        rf"(?P<source>{PEER})'(?: \(callid: [^()\s]*\))? - "
        r"(?P<reason>[^'\n]*)",
    ),
    failed(
        "freeswitch",
        "Can't find user [",
        rf"(?P<reason>Can't find user) \[(?P<user>[^\[\]]*)\] from (?P<source>{ADDRESS}).*",
    ),
    failed(
        "freeswitch",
        "SIP auth ",
        (
            r"(?P<reason>SIP auth (?:failure|challenge)) \([A-Z]+\) on sofia profile '[^'\n]*' for "
            rf"\[(?P<user>.*)\] from ip (?P<source>{ADDRESS})"
        ),
    ),
)


SIGN_ON: Final = (
    # Guacamole writes first the address that its proxy tells
    failed(
        "guacamole",
        "Authentication attempt from ",
        (
            rf"(?:\S+ - )?Authentication attempt from \[?(?P<source>{ADDRESS})(?:, [^\]\n]*)?\]? for user "
            r"\"(?P<user>.*)\" failed\."
        ),
    ),
    opened(
        "guacamole",
        " successfully authenticated from ",
        (
            rf"(?:\S+ - )?User \"(?P<user>.*)\" successfully authenticated from \[?(?P<source>{ADDRESS})"
            r"(?:, [^\]\n]*)?\]?\."
        ),
    ),
    *(
        message(
            "cas",
            f"|{word}|",
            rf"[^|\n]*\|[^|\n]*\|(?P<what>.*)\|{word}\|(?P<user>[^|]*)\|(?P<source>{ADDRESS})\|(?P<destination>{ADDRESS})",
            "login",
            "authentication",
            outcome,
        )
        for word, outcome in (("AUTHENTICATION_FAILED", "failure"), ("AUTHENTICATION_SUCCESS", "success"))
    ),
    failed(
        "hestia",
        " failed to login",
        rf"(?P<user>\S+) (?P<source>{ADDRESS}) failed to login",
    ),
    *(
        message(
            "proxmox",
            holds,
            rf"{form}",
            "login",
            "authentication",
            outcome,
        )
        for holds, form, outcome in (
            (
                "rhost=",
                (
                    rf"authentication failure; rhost=(?P<source>{PEER}) user=(?P<user>\S*?)(?:@"
                    r"(?P<user_domain>[a-z0-9-]+))? msg=(?P<reason>.*)"
                ),
                "failure",
            ),
            (
                "successful auth for user ",
                r"successful auth for user '(?P<user>.*?)(?:@(?P<user_domain>[a-z0-9-]+))?'",
                "success",
            ),
        )
    ),
    *(
        message(
            "zoneminder",
            holds,
            rf"\[(?P<source>{ADDRESS})\] \[{form}\] at \S+ line [0-9]+",
            "login",
            "authentication",
            outcome,
        )
        for holds, form, outcome in (
            ("Login denied for user ", r"(?P<reason>Login denied) for user \"(?P<user>.*)\"", "failure"),
            ("Login successful for user ", r"Login successful for user \"(?P<user>.*)\"", "success"),
            ("Could not retrieve user ", r"(?P<reason>Could not retrieve user) (?P<user>.*) details", "failure"),
        )
    ),
)

"""What mail servers write: Postfix, Dovecot, Exim, Exchange's protocol logs and Zimbra. A table of messages.

Sources: the log calls of Postfix, Dovecot and Exim; Microsoft, "Protocol logging" (SMTP, and POP3 and IMAP4).
"""

from typing import Final

from kyber.logs.formats.service_message import ADDRESS, PEER, failed, message, opened

MAIL: Final = (
    # Postfix
    failed(
        "postfix",
        ": SASL ",
        rf"warning: (?P<source_domain>[^\s\[\]]*)\[(?P<source>{ADDRESS})\]: SASL "
        r"(?P<mechanism>\S+) authentication failed"
        r"(?::? ?(?P<reason>.*?))?(?:, sasl_username=(?P<user>.*))?",
    ),
    opened(
        "postfix",
        ", sasl_username=",
        rf"(?P<queue>[0-9A-Za-z]+): client=(?P<source_domain>[^\s\[\]]*)\[(?P<source>{ADDRESS})\](?::[0-9]+)?, "
        r"sasl_method=(?P<mechanism>[^\s,]+), sasl_username=(?P<user>.*)",
    ),
    message(
        "postfix",
        ": reject: ",
        r"(?P<queue>\S+): reject: (?P<command>\S+) from "
        rf"(?P<source_domain>[^\s\[\]]*)\[(?P<source>{ADDRESS})\](?::[0-9]+)?: "
        r"(?P<code>[0-9]{3})(?P<reason>.*?); from=<(?P<sender>[^\s<>]*)>(?: to=<(?P<recipient>[^\s<>]*)>)? proto=.*",
        "mail_rejected",
        "email",
        "failure",
    ),
    message(
        "postfix",
        ": reject: ",
        r"(?P<queue>\S+): reject: (?P<command>\S+) from "
        rf"(?P<source_domain>[^\s\[\]]*)\[(?P<source>{ADDRESS})\](?::[0-9]+)?: "
        r"(?P<reason>.*)",
        "mail_rejected",
        "email",
        "failure",
    ),
    *(
        message(
            "postfix",
            holds,
            rf"{form} (?P<source_domain>[^\s\[\]]*)\[(?P<source>{ADDRESS})\](?::[0-9]+)?(?: .*)?",
            action,
            "network",
        )
        for holds, form, action in (
            ("connect from ", r"connect from", "connection_opened"),
            ("disconnect from ", r"disconnect from", "connection_closed"),
            (
                " after ",
                r"(?:lost connection|timeout|too many errors) after (?P<command>\S+)(?: \(.*\))? from",
                "connection_lost",
            ),
        )
    ),
    message(
        "postfix",
        "CONNECT from ",
        rf"CONNECT from (?P<source>{PEER}) to (?P<destination>{PEER})",
        "connection_opened",
        "network",
    ),
    message(
        "postfix",
        "PREGREET ",
        rf"(?P<reason>PREGREET [0-9]+ after \S+) from (?P<source>{PEER}): .*",
        "mail_rejected",
        "email",
        "failure",
    ),
    # Dovecot
    *(
        message(
            "dovecot",
            holds,
            rf"(?:(?P<protocol>[a-z0-9-]+)-login: )?{form}: user=<(?P<user>[^<>]*)>,.*? rip=(?P<source>{ADDRESS}), "
            rf"lip=(?P<destination>{ADDRESS}),?.*",
            "login",
            "authentication",
            outcome,
        )
        for holds, form, outcome in (
            ("Login: ", r"(?:Info: )?Login", "success"),
            ("auth fail", r"[^:]{0,80}\((?P<reason>(?:[^():]{0,40}: )?auth failed, [^()]{0,80})\)", "failure"),
            ("isconnected", r"[^:]{0,80}\((?P<reason>[^()]{0,120})\)", ""),
        )
    ),
    failed(
        "dovecot",
        ": ",
        r"(?:auth(?:-worker)?(?:\([0-9]+\))?: )?(?:Info: )?(?:conn \S+ \([^()]*\): )?(?:auth\S*: )?"
        r"(?P<backend>[a-z0-9-]{2,20})"
        rf"\((?P<user>[^\s,()]*),(?P<source>{ADDRESS})(?:,[^()]*)?\): "
        r"(?P<reason>(?:unknown user|Password mismatch|pam_authenticate\(\) failed|invalid "
        r"credentials|user not found)[^\n]{0,200})",
    ),
    # Exim
    failed(
        "exim",
        " authenticator failed for ",
        r"(?P<authenticator>\S+) authenticator failed for (?:H=)?(?:(?P<source_domain>[^\s()\[\]]+) )?"
        r"(?:\([^\s()]*\) )?"
        rf"\[(?P<source>{ADDRESS})\](?::(?P<source_port>[0-9]+))?(?: I=\S+)?(?: U=\S+)?: (?P<reason>[^()]*)"
        r"(?:\(set_id=(?P<user>.*)\))?",
    ),
    message(
        "exim",
        "H=",
        r"(?:\[[0-9]+\] )?H=(?:(?P<source_domain>[^\s()\[\]]+) )?(?:\([^\s()]*\) "
        rf")?\[(?P<source>{ADDRESS})\](?::(?P<source_port>[0-9]+))?"
        r"(?: [A-Z]{1,4}=\S+){0,8} (?P<reason>(?:temporarily )?rejected [^\n]*|sender verify "
        r"[^\n]*|incomplete transaction[^\n]*)",
        "mail_rejected",
        "email",
        "failure",
    ),
    # Exchange: the protocol logs of SMTP, and of IMAP and POP
    *(
        message(
            "exchange",
            holds,
            r"(?P<connector>[^,\n]{0,256}),(?P<session>[0-9A-Fa-f]{8,16}),(?P<sequence>[0-9]+),"
            rf"(?P<destination>{PEER}),(?P<source>{PEER}),(?P<event>[<>*+-]),{form},[^\n]*",
            action,
            category,
            outcome,
        )
        for holds, form, action, category, outcome in (
            (",535 ", r"(?P<code>535) [0-9.]* ?(?P<reason>[^,\n]*)", "login", "authentication", "failure"),
            (",235 ", r"(?P<code>235) [0-9.]* ?(?P<reason>[^,\n]*)", "login", "authentication", "success"),
            (",", r"(?P<data>\"(?:[^\"]|\"\")*\"|[^,\n]*)", "smtp", "email", ""),
        )
    ),
    *(
        message(
            "exchange",
            holds,
            rf"(?P<session>[0-9A-Fa-f]{{8,16}}),(?P<sequence>[0-9]+),(?P<destination>{PEER}),"
            rf"(?P<source>{PEER}),(?P<user>[^,\n]*),"
            rf"[0-9]*,[0-9]*,[0-9]*,(?P<command>[^,\n]*),(?P<parameters>\"(?:[^\"]|\"\")*\"|[^,\n]*),{form},[^\n]*",
            action,
            category,
            outcome,
        )
        for holds, form, action, category, outcome in (
            (
                "AuthFailed:",
                r"\"?(?P<reason>[^,\n]*AuthFailed:[^,\n]*(?:,[^,\n]*){0,4}?)\"?",
                "login",
                "authentication",
                "failure",
            ),
            (",", r"(?P<context>\"(?:[^\"]|\"\")*\"|[^,\n]*)", "mail_access", "email", ""),
        )
    ),
    # Zimbra
    failed(
        "zimbra",
        "authentication failed for [",
        rf"(?:\[[^\]\s]*\] )?\[(?:name=[^;\]]*;)?(?:[a-z]+=[^;\]]*;)*?oip=(?P<source>{ADDRESS});[^\]]*\] "
        r"(?P<component>\S+) - "
        r"(?:handler exception: )?authentication failed for \[(?P<user>[^\]]*)\](?:, (?P<reason>.*))?",
    ),
)

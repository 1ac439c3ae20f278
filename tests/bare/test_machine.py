"""A bare root gets the sources of packages from its machine, and no other setting."""

from tests.bare.machine import (
    keep_apt_settings,
    keep_pip_settings,
    keep_sources,
    write_pip_settings,
)

MIRROR = "Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie\nComponents: main"
FOLDER = "Types: deb\nURIs: file:/usr/share/packages\nSuites: ./\nTrusted: yes"


def test_local_sources_are_removed():
    """Folders of the machine and comments are removed, in both forms; the order stays."""
    text = f"# ours\n{MIRROR}\n\n{FOLDER}\n\ndeb file:/srv/x ./\ndeb http://mirror.example/x y z\n"
    assert keep_sources(text) == f"{MIRROR}\n\ndeb http://mirror.example/x y z\n\n"


def test_apt_settings():
    """Proxies, certificates and dates are kept; hooks, folders and empty settings are not."""
    kept = [
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::https::CaInfo "/etc/ssl/ours.pem";',
        'Acquire::Check-Date "false";',
    ]
    others = [
        'DPkg::Post-Invoke:: "rm -f /x";',
        'Dir::Cache "/var/cache";',
        'Acquire::http "";',
        'Acquire::cdrom::mount "/media";',
    ]
    assert keep_apt_settings("\n".join([*others, *kept])) == kept


def test_pip_settings():
    """A later file overrides an earlier one, and the section install overrides global."""
    files = (
        "[global]\nindex-url = https://one.example/simple\nfind-links = /opt/wheels\n",
        (
            "[global]\nindex_url = https://two.example/simple\ncache-dir = /x\n"
            "[install]\ntrusted-host = a.example\n  b.example\n"
        ),
    )
    assert keep_pip_settings(files, {}) == {
        "index-url": "https://two.example/simple",
        "trusted-host": "a.example\nb.example",
    }


def test_variables_override_pip_files():
    """Variables override files, but only those that say how a package is reached."""
    variables = {"PIP_CERT": "/etc/ssl/ours.pem", "PIP_FIND_LINKS": "/opt", "PATH": "/bin"}
    kept = keep_pip_settings(["[global]\ncert = /etc/ssl/other.pem\n"], variables)
    assert kept == {"cert": "/etc/ssl/ours.pem"}


def test_pip_settings_are_read_back():
    """pip.conf is read back equal, also with several values of a setting."""
    settings = {"index-url": "https://one.example/simple", "trusted-host": "a\nb"}
    assert keep_pip_settings([write_pip_settings(settings)], {}) == settings

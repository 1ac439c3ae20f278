"""Every command that prints a table prints it for 80 columns, in a pipe as on a terminal."""


def test_tables_fit_80_columns(run, sign_arguments, repo, keys, zips):
    """Nothing is cut off: a name, a hash and a build are there whole, or on two lines."""
    run(*sign_arguments, "--unverified", zips["first"])
    for words in (
        ("keys", "list", "--keys", keys, "--repo", repo),
        ("keys", "show", "root-1", "--keys", keys, "--repo", repo),
        ("release", "list", "--repo", repo),
        ("content", "list", "--repo", repo),
        ("ceremony", "expiry", "--repo", repo),
        ("ota", "inspect", zips["first"]),
    ):
        status, output, errors = run(*words)
        assert (status, errors) == (0, "")
        assert max(map(len, output.splitlines())) <= 80
        assert "\N{HORIZONTAL ELLIPSIS}" not in output
        assert len(output.splitlines()) > 2


def test_an_empty_list_is_a_sentence(run, repo, tmp_path):
    """And no head above nothing."""
    (tmp_path / "empty").mkdir()
    _, output, _ = run("keys", "list", "--keys", tmp_path / "empty")
    assert output.splitlines()[1:] == [f"No keys are in {tmp_path}/empty: `keys new` makes them."]
    _, output, _ = run("release", "list", "--repo", repo, "--codename", "armani")
    assert output.splitlines()[1:] == ["No release is signed yet: `release sign` signs packages."]
    _, output, _ = run("ceremony", "expiry", "--repo", repo, "--within", "1")
    assert output.splitlines()[1:] == ["No role expires within 1 day."]

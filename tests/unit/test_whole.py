"""Files and folders appear whole, whatever happens while they are written."""

import pytest

from discovery.whole import whole_file, whole_folder, write_whole


def test_a_folder_appears_whole(tmp_path):
    out = tmp_path / "raw" / "cell"
    with whole_folder(out) as folder:
        (folder / "wan.json").write_text("{}")
        assert not out.exists()
    assert (out / "wan.json").read_text() == "{}"
    assert [path.name for path in out.parent.iterdir()] == ["cell"]


def test_an_accident_leaves_nothing(tmp_path):
    out = tmp_path / "cell"
    with pytest.raises(RuntimeError), whole_folder(out) as folder:
        (folder / "wan.json").write_text("{}")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_a_stale_one_and_an_older_result_are_replaced(tmp_path):
    out = tmp_path / "cell"
    for content in ("first", "second"):
        out.mkdir(exist_ok=True)
        (tmp_path / ".cell.killed").mkdir()
        with whole_folder(out) as folder:
            (folder / "cell.json").write_text(content)
        assert (out / "cell.json").read_text() == content
        assert [path.name for path in tmp_path.iterdir()] == ["cell"]


def test_a_file_is_replaced_when_the_new_one_is_whole(tmp_path):
    path = tmp_path / "deep" / "claims.json"
    write_whole(path, "first")
    with whole_file(path) as partial:
        partial.write_text("second")
        assert path.read_text() == "first"
    assert path.read_text() == "second"
    assert [entry.name for entry in path.parent.iterdir()] == ["claims.json"]


def test_an_accident_leaves_the_old_file(tmp_path):
    path = tmp_path / "claims.json"
    write_whole(path, "first")
    with pytest.raises(RuntimeError), whole_file(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["claims.json"]

"""A master that is demoted while a commit waits for its replicas has said neither yes nor no."""

from redis.exceptions import ResponseError

from discovery.rome.answers import classified, perhaps_done, refusal

SAID = (
    "Command # 2 (WAIT 1 800) of pipeline caused error: UNBLOCKED force unblock from blocking "
    "operation, instance state changed (master -> replica?)"
)


def test_it_is_asked_again_and_in_doubt_until_then() -> None:
    error = classified(ResponseError(SAID))
    assert refusal(error, follows=True, prefix="rome:{x}") is None
    assert perhaps_done(error)

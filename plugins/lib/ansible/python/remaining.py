"""Whether a host that is done with a step has more to do: only then does it wait for the others."""

# Steps without an effect (role_complete, flush_handlers …) that are looked past.
LOOK_AHEAD = 1000


class Remaining:
    """Told of plays and batches in the run's thread, asked in the watchdog's: when in doubt, there is more."""

    def __init__(self):
        self.plays = 0  # of the playbook
        self.plays_begun = 0
        self.batches = 0  # of the play that was begun last
        self.batches_begun = 0
        self.iterator = None

    def begin_playbook(self, playbook):
        self.plays, self.plays_begun = len(playbook.get_plays()), 0

    def begin_play(self, batches):
        self.plays_begun += 1
        self.batches, self.batches_begun = len(batches), 0

    def begin_batch(self, iterator):
        self.batches_begun += 1
        self.iterator = iterator

    def watch(self):
        """Has Ansible's own objects tell this one."""
        from ansible.executor import task_queue_manager
        from ansible.executor.play_iterator import PlayIterator

        remaining = self

        class Iterator(PlayIterator):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
                remaining.begin_batch(self)

        task_queue_manager.PlayIterator = Iterator

    def has_more(self, name):
        if self.plays_begun < self.plays or self.batches_begun < self.batches or not self.iterator:
            return True
        try:
            return self._has_step(name)
        except Exception:  # noqa: BLE001  (the run goes on meanwhile and changes what is read here)
            return True

    def _has_step(self, name):
        iterator = self.iterator
        if name in iterator._play._removed_hosts:
            return False
        host = iterator._variable_manager._inventory.get_host(name)
        if any(handler.is_host_notified(host) for handler in iterator.handlers):
            return True
        state, task = iterator.get_next_task_for_host(host, peek=True)
        for _ in range(LOOK_AHEAD):
            if task is None or not task.action.endswith("meta"):
                break
            state, task = iterator._get_next_task_from_state(state, host=host)
        return task is not None

/*
 * claims.pml - how units are claimed, executed, taken over and written down, as a model for spin.
 *
 * Two engines, three units of one host each, a topic that loses and repeats messages; engines that are killed, stopped
 * and cut off from the store, with results that come late. A step is named as the code's function is, and is one
 * transaction of the store, or one thing that one process does. Every order of them is tried. Checked is that
 *
 *	- no host is executed by two engines at once, and none is begun without an intent that holds then;
 *	- each host gets one final status and no second, and none while its unit's holder executes it;
 *	- attempts only grow, and a unit is never held by a lease that had ended when it was claimed;
 *	- no unit is forgotten: where nothing can happen any more and an engine lives, every host is final;
 *	- a result that was kept on disk is not thrown away by its own node's next life.
 *
 * Time is three ages of a lease: fresh; not renewed for lease.stop_after; read unchanged for lease.take_over. That
 * units end before take_over (permits, stop_after) is what `tick` waits for.
 *
 * Each guard can be taken out by a macro (-DNO_…), and then something of the above must fail: test_model.py.
 */

#define ENGINES 2
#ifndef UNITS
#define UNITS 3
#endif
#ifndef CAPACITY
#define CAPACITY 1 /* units at once, of an engine */
#endif
#ifndef KILLS
#define KILLS 2
#endif
#ifndef STOPS
#define STOPS 0 /* of a core, by SIGSTOP, and cuts off from the store */
#endif
#define ATTEMPTS 3

/* Guards: 1 unless taken out. */
#ifndef NO_CLAIM_STATE
#define CLAIM_STATE 1
#else
#define CLAIM_STATE 0
#endif
#ifndef NO_CLAIM_LIVES
#define CLAIM_LIVES 1
#else
#define CLAIM_LIVES 0
#endif
#ifndef NO_CLAIM_DOUBT
#define CLAIM_DOUBT 1
#else
#define CLAIM_DOUBT 0
#endif
#ifndef NO_INTENT_FIRST
#define INTENT_FIRST 1
#else
#define INTENT_FIRST 0
#endif
#ifndef NO_INTENT_FENCE
#define INTENT_FENCE 1
#else
#define INTENT_FENCE 0
#endif
#ifndef NO_INTENT_AGAIN
#define INTENT_AGAIN 1
#else
#define INTENT_AGAIN 0
#endif
#ifndef NO_BEGIN_FRESH
#define BEGIN_FRESH 1
#else
#define BEGIN_FRESH 0
#endif
#ifndef NO_RESULT_FENCE
#define RESULT_FENCE 1
#else
#define RESULT_FENCE 0
#endif
#ifndef NO_RESULT_ONCE
#define RESULT_ONCE 1
#else
#define RESULT_ONCE 0
#endif
#ifndef NO_END_FENCE
#define END_FENCE 1
#else
#define END_FENCE 0
#endif
#ifndef NO_END_ENDING
#define END_ENDING 1
#else
#define END_ENDING 0
#endif
#ifndef NO_PERMIT
#define PERMIT 1
#else
#define PERMIT 0
#endif
#ifndef NO_STOP_AFTER
#define STOP_AFTER 1
#else
#define STOP_AFTER 0
#endif
#ifndef NO_FAIL_STOP
#define FAIL_STOP 1
#else
#define FAIL_STOP 0
#endif
#ifndef NO_EXPEL_SAME
#define EXPEL_SAME 1
#else
#define EXPEL_SAME 0
#endif
#ifndef NO_SWEEP_ENDED
#define SWEEP_ENDED 1
#else
#define SWEEP_ENDED 0
#endif
#ifndef NO_SWEEP
#define SWEEP 1
#else
#define SWEEP 0
#endif
#ifndef NO_DUE
#define DUE 1
#else
#define DUE 0
#endif
#ifndef NO_SPOOL_FIRST
#define SPOOL_FIRST 1
#else
#define SPOOL_FIRST 0
#endif

/* ------------------------------------------------------------------------------------------- the store */
#define READY 0
#define CLAIMED 1
#define DONE 2
#define PENDING 0
#define RUNNING 1
#define FINAL 2
#define NOBODY 0
#define HELD_BY(e) ((e) + 1) /* by the engine's incarnation of now … */
#define LEFT_BY(e) ((e) + 3) /* … or by one that has ended */

typedef unit_row {
	unsigned state : 2;
	unsigned host : 2;
	unsigned attempt : 3;
	unsigned holder : 3;
	bit published;
	bit message; /* in the topic */
}
unit_row unit[UNITS];
bit cancelled; /* the task is … */
bit cancels;   /* … or may be */
bit rerun;     /* on_lost of the task */

/* ----------------------------------------------------------------------------------------- the engines */
#define UP 0
#define STOPPED 1 /* its core, by SIGSTOP; its executor host goes on */
#define CUT 2     /* off from the store */
#define DOWN 3
#define GONE 4 /* for ever */

#define FRESH 0
#define STALE 1
#define SILENT 2

/* What an engine does with a unit. */
#define IDLE 0
#define DOUBT 1   /* claimed, and the commit had no answer */
#define WAITS 2   /* claimed without an intent */
#define BEGIN 3   /* with one: on its way to the executor host */
#define RUN 4     /* its host is being executed */
#define TOLD 5    /* … and has ended: the result is to be stored */
#define ENDED 6   /* … or its process died without one: the unit's end is to be stored */
#define REFUSED 7 /* it got no intent: likewise */
#define UNBEGUN 8 /* it came too late to be begun: likewise */
#define SPOOLED 9 /* the result is on disk, and the core is dead */
#define ORPHAN 10 /* its host is being executed, and the core is dead */

typedef engine_of_unit {
	unsigned at : 4;
	unsigned attempt : 3;
}
typedef engine_row {
	unsigned is : 3;
	unsigned age : 2;
	bit ended;  /* somebody ended its lease */
	bit silent; /* the other has seen enough to expel it */
	engine_of_unit at_unit[UNITS];
}
engine_row engine[ENGINES];
unsigned kills : 2, stops : 2;
bit lost_answer;

#define OTHER(e) (1 - (e))
#define me(e, u) engine[e].at_unit[u]
#define reaches_store(e) (engine[e].is == UP)
#define executes(e, u) (me(e, u).at == RUN || me(e, u).at == ORPHAN)
#define runs_any(e) (executes(e, 0) || executes(e, UNITS / 2) || executes(e, UNITS - 1))
#define busy(e) ((me(e, 0).at != IDLE) + (me(e, UNITS / 2).at != IDLE && UNITS > 1) + (me(e, UNITS - 1).at != IDLE && UNITS > 2))
#define holds(e, u) (me(e, u).attempt && unit[u].attempt == me(e, u).attempt && \
		     (unit[u].holder == HELD_BY(e) || unit[u].holder == LEFT_BY(e)))

/* Nobody asks any more who had held a unit that is done: so states that differ in nothing else are one. */
inline done(u) {
	unit[u].state = DONE;
	unit[u].published = 1;
	unit[u].holder = NOBODY;
	unit[u].attempt = 0;
	unit[u].message = 0
}

inline forget(e, u) {
	me(e, u).at = IDLE;
	me(e, u).attempt = 0
}

/* Results that the store could not take are on disk; what was executed is dead soon. */
inline die(e, how) {
	for (i : 0 .. UNITS - 1) {
		if
		:: me(e, i).at == TOLD && engine[e].is == CUT -> me(e, i).at = SPOOLED
		:: me(e, i).at == RUN -> me(e, i).at = ORPHAN
		:: else -> forget(e, i)
		fi
	};
	i = 0;
	engine[e].is = how;
	engine[e].silent = 0
}

/* ------------------------------------------------------------------------------------------ the outbox */

/* All units are alike: they are numbered in the order of their first publication. */
inline publish(u) {
	atomic {
		unit[u].state == READY && !unit[u].published && (u == 0 || unit[u - (u > 0)].published) ->
		unit[u].published = 1;
		unit[u].message = 1
	}
}

/* One that was published, and that nobody has claimed since: its time has come again. */
inline due_units(u) {
	atomic { DUE && unit[u].state == READY && unit[u].published && !unit[u].message -> unit[u].message = 1 }
}

inline lose_message(u) {
	atomic { unit[u].message -> unit[u].message = 0 }
}

/* ------------------------------------------------------------------------------------------ the engine */

inline claimed(e, u) {
	me(e, u).attempt = unit[u].attempt;
	if
	:: unit[u].host == RUNNING -> me(e, u).at = BEGIN
	:: else -> me(e, u).at = WAITS
	fi
}

/*
 * A message has come (and may come again). Compare-and-set, with the intent or, where the task's fan-out says so,
 * without. Its commit may have no answer.
 */
inline claim(e, u) {
	atomic {
		reaches_store(e) && (me(e, u).at == DOUBT || (me(e, u).at == IDLE && unit[u].message && busy(e) < CAPACITY)) ->
		if
		:: CLAIM_DOUBT && me(e, u).at == DOUBT && unit[u].state == CLAIMED && unit[u].holder == HELD_BY(e) &&
			unit[u].attempt == me(e, u).attempt ->
			claimed(e, u)
		:: else ->
			if
			:: (unit[u].state == READY || (!CLAIM_STATE && unit[u].state == CLAIMED)) &&
				(!engine[e].ended || !CLAIM_LIVES) ->
				assert(!cancelled && unit[u].attempt < ATTEMPTS);
				assert(unit[u].state != READY || unit[u].host == PENDING);
				unit[u].state = CLAIMED;
				unit[u].attempt++;
				unit[u].holder = HELD_BY(e);
				if
				:: unit[u].message = 0
				:: skip
				fi;
				assert(!engine[e].ended); /* or no sweep need ever find it */
				if
				:: unit[u].host = RUNNING
				:: skip
				fi;
				if
				:: claimed(e, u)
				:: !lost_answer ->
					lost_answer = 1;
					me(e, u).attempt = unit[u].attempt;
					me(e, u).at = DOUBT
				fi
			:: else -> forget(e, u)
			fi
		fi
	}
}

/* For a unit that was claimed without one: the intent of its host. */
inline intend(e, u) {
	atomic {
		reaches_store(e) && me(e, u).at == WAITS ->
		if
		:: !INTENT_FIRST -> me(e, u).at = BEGIN
		:: INTENT_FIRST && (holds(e, u) || !INTENT_FENCE) && unit[u].host == PENDING ->
			unit[u].host = RUNNING;
			if
			:: me(e, u).at = BEGIN
			:: !lost_answer -> lost_answer = 1
			fi
		:: INTENT_FIRST && INTENT_AGAIN && holds(e, u) && unit[u].host == RUNNING -> me(e, u).at = BEGIN
		:: else -> me(e, u).at = REFUSED
		fi
	}
}

/* The executor host is told to begin, by a core that may have been stopped or cut off meanwhile. */
inline unit_parent_start(e, u) {
	atomic {
		engine[e].is < DOWN && me(e, u).at == BEGIN ->
		if
		:: engine[e].age == FRESH || !BEGIN_FRESH ->
			assert(!executes(OTHER(e), u));
			assert(holds(e, u) && unit[u].host == RUNNING);
			me(e, u).at = RUN
		:: else -> me(e, u).at = UNBEGUN
		fi
	}
}

inline on_result(e, u) {
	atomic { engine[e].is < DOWN && me(e, u).at == RUN -> me(e, u).at = TOLD }
}

/* The transaction that ends a host, with what is known of it; `written` by who holds it, or is it late? */
inline write_result(e, u) {
	if
	:: (holds(e, u) || !RESULT_FENCE) && (unit[u].host != FINAL || !RESULT_ONCE) ->
		assert(unit[u].host != FINAL);
		assert(!executes(OTHER(e), u));
		unit[u].host = FINAL;
		unit[u].state = DONE;
		unit[u].message = 0
	:: else
	fi
}

inline results(e, u) {
	atomic {
		reaches_store(e) && me(e, u).at == TOLD ->
		write_result(e, u);
		if
		:: forget(e, u);
			if
			:: unit[u].state == DONE -> done(u)
			:: else
			fi
		:: !lost_answer -> lost_answer = 1 /* so it is written once more */
		fi
	}
}

/* What becomes of the unit and of its host that is not final; `again`: one that was begun is pending again. */
inline give_back(u, again) {
	if
	:: unit[u].host == RUNNING && !(again) -> unit[u].host = FINAL /* lost */
	:: unit[u].host == FINAL
	:: else ->
		unit[u].host = PENDING;
		if
		:: (cancelled && END_ENDING) || unit[u].attempt == ATTEMPTS -> unit[u].host = FINAL
		:: else
		fi
	fi;
	if
	:: unit[u].host == FINAL -> done(u)
	:: else ->
		unit[u].state = READY;
		unit[u].holder = NOBODY
	fi
}

inline end_unit(e, u) {
	atomic {
		reaches_store(e) && (me(e, u).at == ENDED || me(e, u).at == REFUSED || me(e, u).at == UNBEGUN) ->
		if
		:: (holds(e, u) || !END_FENCE) && unit[u].state != DONE ->
			/* It would be called lost, and nobody had died. */
			assert(me(e, u).at != REFUSED || unit[u].host != RUNNING);
			give_back(u, rerun || me(e, u).at == UNBEGUN)
		:: else
		fi;
		forget(e, u)
	}
}

/* ------------------------------------------------------------------------------------------- leases */

/*
 * Time passes for an engine that does not renew. Before others have read its lease unchanged for take_over, what it
 * executes has ended: by lease.permit_lost where its core is stopped or dead, by lease.stop_after where it is cut off
 * (there only what others may execute again).
 */
inline tick(e) {
	atomic {
		engine[e].is != UP && engine[e].age < SILENT &&
			((engine[e].age == FRESH && engine[e].is < DOWN) ||
			 !(runs_any(e) && ((PERMIT && engine[e].is != CUT) || (STOP_AFTER && engine[e].is == CUT && rerun)))) ->
		if
		:: engine[e].is < DOWN -> engine[e].age++
		:: else -> engine[e].age = SILENT
		fi
	}
}

/* The executor host has had no permit for lease.permit_lost. */
inline on_permit_check(e, u) {
	atomic { PERMIT && engine[e].is == STOPPED && engine[e].age == STALE && me(e, u).at == RUN -> me(e, u).at = ENDED }
}

/* The core has not renewed for lease.stop_after. */
inline stop_after(e, u) {
	atomic {
		STOP_AFTER && engine[e].is == CUT && engine[e].age == STALE && rerun && me(e, u).at == RUN ->
		me(e, u).at = ENDED
	}
}

inline renew(e) {
	atomic {
		reaches_store(e) && (engine[e].age != FRESH || engine[e].ended) ->
		if
		:: engine[e].ended -> die(e, DOWN) /* and it is a new incarnation afterwards */
		:: else -> engine[e].age = FRESH
		fi
	}
}

inline end_lease(e) {
	engine[e].ended = 1;
	for (i : 0 .. UNITS - 1) {
		if
		:: unit[i].holder == HELD_BY(e) -> unit[i].holder = LEFT_BY(e)
		:: else
		fi
	};
	i = 0
}

/* The other engine has read the lease unchanged for lease.take_over … */
inline silence_read(e) {
	atomic {
		engine[e].age == SILENT && !engine[e].ended && !engine[e].silent && reaches_store(OTHER(e)) ->
		if
		:: engine[e].is < DOWN -> engine[e].silent = 1
		:: else -> end_lease(e)
		fi
	}
}

/* … and ends it, if it is still as it was read. */
inline expel(e) {
	atomic {
		engine[e].silent && reaches_store(OTHER(e)) ->
		engine[e].silent = 0;
		if
		:: engine[e].age == SILENT || !EXPEL_SAME -> end_lease(e)
		:: else
		fi
	}
}

/* Whoever lives gives back what incarnations held that have ended. */
inline sweep(u) {
	atomic {
		SWEEP && unit[u].state == CLAIMED && (unit[u].holder >= LEFT_BY(0) || !SWEEP_ENDED) &&
			(reaches_store(0) || reaches_store(1)) ->
		/* Of a node that is up again nothing is left that it knew the end of. */
		assert(me(0, u).at != SPOOLED || unit[u].holder != LEFT_BY(0) || engine[0].is != UP);
		assert(me(1, u).at != SPOOLED || unit[u].holder != LEFT_BY(1) || engine[1].is != UP);
		give_back(u, rerun)
	}
}

inline cancel() {
	atomic {
		cancels ->
		cancels = 0;
		cancelled = 1;
		for (i : 0 .. UNITS - 1) {
			if
			:: unit[i].host == PENDING -> unit[i].host = FINAL; done(i)
			:: else
			fi
		};
		i = 0
	}
}

/* ------------------------------------------------------------------------------------------- faults */

inline kill(e) {
	atomic {
		engine[e].is < DOWN && kills < KILLS ->
		kills++;
		if
		:: die(e, DOWN)
		:: engine[OTHER(e)].is != GONE -> die(e, GONE)
		fi
	}
}

inline kill_unit(e, u) {
	atomic { engine[e].is < DOWN && kills < KILLS && me(e, u).at == RUN -> kills++; me(e, u).at = ENDED }
}

/* Units do not outlive their core for long. */
inline orphan_ends(e, u) {
	atomic { me(e, u).at == ORPHAN -> forget(e, u) }
}

/* A new core: when nothing of the old one is left, and what that had kept on disk is in the store. */
inline incarnate(e) {
	atomic {
		engine[e].is == DOWN && !(FAIL_STOP && runs_any(e)) ->
		for (i : 0 .. UNITS - 1) {
			if
			:: me(e, i).at == SPOOLED && SPOOL_FIRST -> write_result(e, i); forget(e, i)
			:: else
			fi
		};
		end_lease(e);
		engine[e].ended = 0;
		engine[e].age = FRESH;
		engine[e].is = UP
	}
}

inline stop(e) {
	atomic { engine[e].is == UP && stops < STOPS -> stops++; engine[e].is = STOPPED }
}

inline cut(e) {
	atomic { engine[e].is == UP && stops < STOPS -> stops++; engine[e].is = CUT }
}

inline resume(e) {
	atomic { engine[e].is == STOPPED || engine[e].is == CUT -> engine[e].is = UP }
}

/* ------------------------------------------------------------------------------------- what may happen */

#define each_engine(step) :: step(0) :: step(1)
#if UNITS == 3
#define each_unit(step) :: step(0) :: step(1) :: step(2)
#define each_pair(step) :: step(0, 0) :: step(0, 1) :: step(0, 2) :: step(1, 0) :: step(1, 1) :: step(1, 2)
#elif UNITS == 2
#define each_unit(step) :: step(0) :: step(1)
#define each_pair(step) :: step(0, 0) :: step(0, 1) :: step(1, 0) :: step(1, 1)
#else
#define each_unit(step) :: step(0)
#define each_pair(step) :: step(0, 0) :: step(1, 0)
#endif

active proctype world() {
	byte i;

	if
	:: rerun = 1
	:: rerun = 0
	fi;
	if
	:: cancels = 1
	:: cancels = 0
	fi;
	do
	each_unit(publish)
	each_unit(due_units)
	each_unit(lose_message)
	each_pair(claim)
	each_pair(intend)
	each_pair(unit_parent_start)
	each_pair(on_result)
	each_pair(results)
	each_pair(end_unit)
	each_pair(on_permit_check)
	each_pair(stop_after)
	each_pair(kill_unit)
	each_pair(orphan_ends)
	each_engine(tick)
	each_engine(renew)
	each_engine(silence_read)
	each_engine(expel)
	each_engine(kill)
	each_engine(incarnate)
	each_engine(stop)
	each_engine(cut)
	each_engine(resume)
	each_unit(sweep)
	:: cancel()
	:: else -> break
	od;
	/* Nothing can happen any more. */
	if
	:: engine[0].is < DOWN || engine[1].is < DOWN ->
		for (i : 0 .. UNITS - 1) {
			assert(unit[i].host == FINAL && unit[i].state == DONE)
		}
	:: else
	fi
}

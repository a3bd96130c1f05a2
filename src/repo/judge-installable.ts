// Gate `installable`, asked of one waiting item by itself: what its entry alone would break, and what would mend that.
import { companionsOf } from './families.ts'
import type { Verdict } from './gates/gate.ts'
import type { PendingItem, PendingScope } from './pending-item.ts'
import { plainly, planPromotion, planStanzas } from './promote.ts'
import type { Repo } from './repo.ts'

const gate = 'installable'

/** Quick: tells only whether something would break. */
export function judgeAlone(repo: Repo, scope: PendingScope, item: PendingItem): Verdict {
  if (!scope.judging.gates.isInstallable) return { gate, state: 'pass', sentence: 'Not looked at' }
  const whole = [item, ...companionsOf(repo, scope, [item])]
  const change = planStanzas(scope, whole)
  const { target, feeding } = scope
  const { regressions, tolerated } = repo.installability.judge(target, feeding, item.release, change)
  const [first] = regressions
  if (first !== undefined) {
    const more =
      regressions.length > 1
        ? ` (and ${regressions.length - 1} more package${regressions.length > 2 ? 's' : ''})`
        : ''
    return { gate, state: 'blocked', sentence: `Breaks by itself: ${first.sentence}${more}` }
  }
  const [known] = tolerated
  const also = known === undefined ? '' : `; in ${feeding.name} too, ${known.sentence}`
  return { gate, state: 'pass', sentence: `Nothing becomes uninstallable${also}` }
}

/** Slower: tells what would have to come along, too. */
export function explainInstallable(repo: Repo, scope: PendingScope, item: PendingItem): Verdict {
  const verdict = judgeAlone(repo, scope, item)
  if (verdict.state === 'pass') return verdict
  // Judged as if nothing else kept it out.
  const plan = planPromotion(repo, scope, [{ ...item, verdicts: [] }], plainly)
  const names = plan.mending?.map((one) => one.source) ?? []
  const help =
    names.length === 0
      ? `; nothing in ${scope.feeding.name} mends it`
      : `; would enter together with ${names.join(', ')} (--with-deps)`
  return { ...verdict, sentence: `${verdict.sentence}${help}` }
}

import type { ReputationOut } from '@/api/types'
import { FLOOR } from '@/chain/reputation'
import { dimensionWord, scoreText, specialtyWord } from '@/components/market/score'
import { Card } from '@/components/ui/Card'
import { Meter } from '@/components/ui/Meter'

const QUALITIES = [
  ['Speed', 'speed'],
  ['Quality', 'quality'],
  ['Reliability', 'reliability'],
] as const

const MOST = 10_000

function Score({ label, score }: { label: string; score: number }) {
  return <Meter label={label} text={scoreText(score)} share={score / MOST} pale={score <= FLOOR} />
}

/** The finer scores: what the agent is good at, and in which kinds of work. */
export function SpecialtiesCard({ reputation }: { reputation: ReputationOut }) {
  const kinds = [...new Set(reputation.specialties.map(({ dimension }) => dimension))]
  return (
    <Card title="Specialties">
      <div className="grid grid-cols-1 gap-4">
        <div className="grid gap-3 sm:grid-cols-3">
          {QUALITIES.map(([label, name]) => (
            <Score key={name} label={label} score={reputation[name]} />
          ))}
        </div>
        <div className="grid gap-x-6 gap-y-4 border-t border-line pt-4 sm:grid-cols-3">
          {kinds.map((kind) => (
            <section key={kind} aria-label={dimensionWord(kind)} className="grid content-start gap-2.5">
              <h3 className="text-xs text-muted">{dimensionWord(kind)}</h3>
              {reputation.specialties
                .filter(({ dimension }) => dimension === kind)
                .map(({ value, score }) => (
                  <Score key={value} label={specialtyWord(value)} score={score} />
                ))}
            </section>
          ))}
        </div>
        <p className="text-xs text-muted">
          Grey is {scoreText(FLOOR)}: nobody has said anything yet. These scores are computed with the epoch; only the
          overall one is anchored.
        </p>
      </div>
    </Card>
  )
}

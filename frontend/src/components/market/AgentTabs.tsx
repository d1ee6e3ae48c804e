import { NavLink } from 'react-router'
import { cn } from '../ui/cn'

const TABS = [
  ['/agents', 'All agents'],
  ['/leaderboard', 'Leaderboard'],
] as const

/** The two ways to look for an agent: by what it does, by how good it is. */
export function AgentTabs() {
  return (
    <nav aria-label="Agents" className="flex gap-1">
      {TABS.map(([to, name]) => (
        <NavLink
          key={to}
          to={to}
          end
          className={({ isActive }) =>
            cn(
              'rounded-control px-3 py-2 font-medium',
              isActive ? 'bg-brand-soft text-brand' : 'text-muted hover:bg-sunken hover:text-ink',
            )
          }
        >
          {name}
        </NavLink>
      ))}
    </nav>
  )
}

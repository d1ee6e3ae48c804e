import { NavLink } from 'react-router'
import { cn } from '@/components/ui/cn'

const TABS = [
  ['/me', 'Buying'],
  ['/me/agent', 'Agent'],
  ['/activity', 'Activity'],
] as const

/** The reader's own pages. */
export function DashboardTabs() {
  return (
    <nav aria-label="Dashboard" className="flex gap-1">
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

// The bar at the top: a form for somebody unknown; for somebody known, who they are and where they act. Must not ask the
// graph by itself.

import { useState, useSyncExternalStore } from "react";
import { TenantPicker } from "./tenant-picker.jsx";

const ROLES = { ADMIN: "platform administrator", TENANT_ADMIN: "tenant administrator", USER: "staff" };

export function Bar({ session, ask }) {
  const { user, tenant, notice } = useSyncExternalStore(session.watch, session.read);
  return (
    <header className="bar">
      <h1>
        <Mark />
        Frontdesk <span>playground</span>
      </h1>
      {user ? (
        <div className="who">
          {user.role === "ADMIN" ? (
            <TenantPicker session={session} chosen={tenant} ask={ask} />
          ) : (
            <span className="tenant">{user.tenant?.name ?? "no tenant"}</span>
          )}
          <span className="person">
            {user.email} <span className="role">{ROLES[user.role] ?? user.role}</span>
          </span>
          <button type="button" onClick={() => session.signOut()}>
            Sign out
          </button>
        </div>
      ) : (
        <SignIn session={session} notice={notice} />
      )}
    </header>
  );
}

function SignIn({ session, notice }) {
  const [fault, setFault] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setFault(null);
    try {
      await session.signIn(form.get("email"), form.get("password"));
    } catch (error) {
      setFault(error.message);
      setBusy(false);
    }
  };
  return (
    <form className="who" onSubmit={submit} aria-label="Sign in">
      <span role="alert" className="fault">
        {fault ?? notice}
      </span>
      <input name="email" type="email" autoComplete="username" placeholder="E-mail" aria-label="E-mail" required />
      <input
        name="password"
        type="password"
        autoComplete="current-password"
        placeholder="Password"
        aria-label="Password"
        required
      />
      <button type="submit" className="main" disabled={isBusy}>
        Sign in
      </button>
    </form>
  );
}

function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#4f46e5" />
      <path d="M8 10h16v10H15l-4 4v-4H8z" fill="#fff" />
    </svg>
  );
}

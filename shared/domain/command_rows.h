/*
 * The commands, one row each: name, type of the journal entry, and the further members of struct Command (commands.h). Only
 * commands.c includes this file: once for the table and twice for the words of entries. Before, it defines the macro COMMAND.
 * A new command is a row here and its functions and arguments in commands.c; then run `make contracts`.
 */
COMMAND("acknowledge", "acknowledged",
		.arguments = &note_only_table,
		.transitions = { [KIND_EVENT] = "received>triaging open",
				 [KIND_INCIDENT] = "reported>assessing reopened>assessing open",
				 [KIND_WEAKNESS] = "open" },
		.already = is_acknowledged,
		.change = acknowledge,
		.sentence = "Takes the incident on; escalation stops")

COMMAND("assign", "assigned",
		.arguments = &assign_table,
		.one_of = team_or_person,
		.transitions = { "open", "open", "open" },
		.check = check_assignee,
		.change = assign,
		.sentence = "Assigns the incident to a team, a person, or both")

COMMAND("note", "noted",
		.arguments = &note_table,
		.transitions = { "any", "any", "any" },
		.sentence = "Adds a remark to the timeline")

COMMAND("promote", "promoted",
		.arguments = &promote_table,
		.transitions = { [KIND_EVENT] = "open" },
		.promotes = true,
		.change = promote,
		.sentence = "Turns an event into an incident or a weakness, in its opening status; escalation restarts")

COMMAND("confirm", "confirmed",
		.arguments = &confirm_table,
		.transitions = { [KIND_INCIDENT] = "reported>confirmed assessing>confirmed reopened>confirmed" },
		.change = take_on,
		.sentence = "Confirms after assessment that it is an incident; escalation stops")

COMMAND("contain", "containing",
		.arguments = &note_only_table,
		.transitions = { [KIND_INCIDENT] = "confirmed>containing eradicating>containing recovering>containing" },
		.change = take_on,
		.sentence = "Starts to contain the incident, or starts again when it spreads")

COMMAND("eradicate", "eradicating",
		.arguments = &note_only_table,
		.transitions = { [KIND_INCIDENT] = "confirmed>eradicating containing>eradicating recovering>eradicating" },
		.change = take_on,
		.sentence = "Starts to remove the cause")

COMMAND("recover", "recovering",
		.arguments = &note_only_table,
		.transitions = { [KIND_INCIDENT] = "confirmed>recovering containing>recovering eradicating>recovering" },
		.change = take_on,
		.sentence = "Starts to restore operation")

COMMAND("review", "reviewing",
		.arguments = &note_only_table,
		.transitions = { [KIND_INCIDENT] = "confirmed>reviewing containing>reviewing eradicating>reviewing "
						   "recovering>reviewing" },
		.change = take_on,
		.sentence = "Ends the response and starts the review that learns from it")

COMMAND("validate", "validated",
		.arguments = &note_only_table,
		.transitions = { [KIND_WEAKNESS] = "reported>validated" },
		.change = take_on,
		.sentence = "Confirms that the weakness exists; escalation stops")

COMMAND("plan", "planned",
		.arguments = &note_only_table,
		.transitions = { [KIND_WEAKNESS] = "validated>planned fixing>planned" },
		.change = take_on,
		.sentence = "States that the correction is planned")

COMMAND("fix", "fixing",
		.arguments = &note_only_table,
		.transitions = { [KIND_WEAKNESS] = "validated>fixing planned>fixing verified>fixing" },
		.change = take_on,
		.sentence = "Starts the correction, or starts it again after it did not hold")

COMMAND("verify", "verified",
		.arguments = &note_only_table,
		.transitions = { [KIND_WEAKNESS] = "fixing>verified" },
		.change = take_on,
		.sentence = "Confirms that the correction is effective")

COMMAND("close", "closed",
		.arguments = &close_table,
		.transitions = { [KIND_EVENT] = "open>informational", [KIND_INCIDENT] = "open>closed",
				 [KIND_WEAKNESS] = "open>closed" },
		.change = close_resolved,
		.sentence = "Closes the incident")

COMMAND("cancel", "cancelled",
		.arguments = &reason_table,
		.transitions = { [KIND_INCIDENT] = "open>cancelled" },
		.sentence = "Withdraws an incident that was reported in error; a false positive is a false-alarm")

COMMAND("reopen", "reopened",
		.arguments = &reason_table,
		.transitions = { [KIND_EVENT] = "informational>triaging false-alarm>triaging",
				 [KIND_INCIDENT] = "closed>reopened cancelled>reopened false-alarm>reopened",
				 [KIND_WEAKNESS] = "closed>reported false-alarm>reported" },
		.sentence = "Reopens the incident; escalation restarts")

COMMAND("false-alarm", "false-alarm",
		.arguments = &reason_table,
		.transitions = { "open>false-alarm", "open>false-alarm", "open>false-alarm" },
		.sentence = "Closes the record as a false positive")

COMMAND("escalated", "escalated",
		.permission = PERMISSION_SYSTEM,
		.arguments = &escalated_table,
		.transitions = { "open", "open", "open" },
		.already = is_escalated,
		.change = escalate,
		.data = escalated_data,
		.sentence = "Records that an escalation level was notified")

COMMAND("link", "linked",
		.permission = PERMISSION_SYSTEM,
		.arguments = &link_arguments_table,
		.transitions = { "any", "any", "any" },
		.already = is_linked,
		.change = link_add,
		.data = link_data,
		.sentence = "Links another open incident that shares its asset or actor")

COMMAND("campaign", "noted",
		.permission = PERMISSION_SYSTEM,
		.arguments = &campaign_table,
		.transitions = { "any", "any", "any" },
		.data = campaign_data,
		.sentence = "Notes a possible campaign: more incidents share its asset or actor than are linked")

#include "cmd/top/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* The alternate screen, no cursor, no wrapping at the right edge; and back. */
#define SCREEN_ENTER "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
#define SCREEN_LEAVE "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"

static struct {
	int keys_fd;
	bool is_own_fd; /* /dev/tty, opened here */
	struct termios before, raw;
	volatile sig_atomic_t is_entered;
} terminal_now = {.keys_fd = -1};

/* Signals that end a process in the midst of its work. */
static const int terminal_deaths[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGQUIT, SIGSYS};

static void terminal_write(const char *text, size_t len)
{
	ssize_t n;

	do
		n = write(STDOUT_FILENO, text, len);
	while (n < 0 && errno == EINTR);
}

static void terminal_enter(void)
{
	terminal_now.is_entered = 1;
	tcsetattr(terminal_now.keys_fd, TCSADRAIN, &terminal_now.raw);
	terminal_write(SCREEN_ENTER, sizeof(SCREEN_ENTER) - 1);
}

void terminal_leave(void)
{
	if (!terminal_now.is_entered)
		return;
	terminal_now.is_entered = 0;
	terminal_write(SCREEN_LEAVE, sizeof(SCREEN_LEAVE) - 1);
	tcsetattr(terminal_now.keys_fd, TCSADRAIN, &terminal_now.before);
}

void terminal_again(void)
{
	terminal_enter();
}

/* The handler is gone by now (SA_RESETHAND): the signal does its work when this returns. */
static void terminal_died(int number)
{
	terminal_leave();
	raise(number);
}

static void terminal_guard(bool is_on)
{
	struct sigaction action = {.sa_flags = SA_RESETHAND};

	action.sa_handler = is_on ? terminal_died : SIG_DFL;
	sigemptyset(&action.sa_mask);
	for (unsigned i = 0; i < sizeof(terminal_deaths) / sizeof(terminal_deaths[0]); i++)
		sigaction(terminal_deaths[i], &action, NULL);
}

int terminal_open(int *keys_fd, struct err *err)
{
	int fd = STDIN_FILENO;

	terminal_now.is_own_fd = !isatty(STDIN_FILENO);
	if (terminal_now.is_own_fd)
		fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, -errno, "/dev/tty");
	terminal_now.keys_fd = fd;
	if (tcgetattr(fd, &terminal_now.before) < 0) {
		int rc = -errno;

		terminal_close();
		return err_sys(err, rc, "the terminal");
	}
	terminal_now.raw = terminal_now.before;
	terminal_now.raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	terminal_now.raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL);
	/* A read gives what there is, also nothing: the terminal's file may be shared with a shell,
	 * which would not like to find it non-blocking. */
	terminal_now.raw.c_cc[VMIN] = 0;
	terminal_now.raw.c_cc[VTIME] = 0;
	terminal_guard(true);
	terminal_enter();
	*keys_fd = fd;
	return 0;
}

void terminal_close(void)
{
	terminal_leave();
	terminal_guard(false);
	if (terminal_now.is_own_fd && terminal_now.keys_fd >= 0)
		close(terminal_now.keys_fd);
	terminal_now.keys_fd = -1;
}

void terminal_size(unsigned *width, unsigned *height)
{
	struct winsize size = {0};

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	*width = size.ws_col ? size.ws_col : 80;
	*height = size.ws_row ? size.ws_row : 24;
}
